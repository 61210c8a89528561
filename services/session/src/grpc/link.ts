import { isDeviceId, isId } from '@godwit/ids/id';
import type { EdgeHello, EdgeToSession, Register } from '@godwit/proto/gen/grpc/godwit/session/v1/session';
import { invalidArgument, unavailable } from '@godwit/rpc/rpc-error';
import type { Logger } from '@godwit/runtime/logger';
import type { SessionDirectory } from '../domain/session-directory.js';
import type { EdgeProcess } from '../domain/session.js';
import { EdgeOutbox, type LinkedEdges, type SessionStream } from './edge-links.js';

export interface LinkDependencies {
  readonly directory: SessionDirectory;
  readonly links: LinkedEdges;
  readonly logger: Logger;
}

// Edges are named like pods, incarnations like ids; both become parts of keys and of stored values.
const NAME_PATTERN = /^[A-Za-z0-9_.-]{1,64}$/;

/** `Link`: an edge's sockets, its lease, and what it has to close. */
export const createLink = (dependencies: LinkDependencies) => (stream: SessionStream) => {
  const outbox = new EdgeOutbox(stream);
  let edge: EdgeProcess | undefined;
  stream.onFrame((frame) => {
    if (edge === undefined) {
      edge = open(dependencies, outbox, frame.hello);
      if (edge === undefined) return;
    }
    // It was silent for too long, or a newer incarnation is here: what it says now must not count. On a new stream it
    // says hello again and registers what it still has.
    if (edge.ended) stream.close(unavailable('LEASE_ENDED', 'the lease of this edge has ended, link again'));
    else handleFrame(dependencies, { edge, outbox, frame });
  });
  stream.onEnd(() => {
    if (edge !== undefined) dependencies.links.unlink(edge, outbox);
  });
};

const open = (
  { directory, links }: LinkDependencies,
  outbox: EdgeOutbox,
  hello: EdgeHello | undefined,
): EdgeProcess | undefined => {
  if (hello === undefined || !NAME_PATTERN.test(hello.edgeId) || !NAME_PATTERN.test(hello.incarnation)) {
    outbox.stream.close(invalidArgument('hello', 'a stream begins with hello: edge_id and incarnation'));
    return undefined;
  }
  const edge = directory.hello(hello.edgeId, hello.incarnation);
  links.link(edge, outbox);
  directory.evictions.linked(edge);
  return edge;
};

interface LinkFrame {
  readonly edge: EdgeProcess;
  readonly outbox: EdgeOutbox;
  readonly frame: EdgeToSession;
}

const handleFrame = ({ directory, logger }: LinkDependencies, { edge, outbox, frame }: LinkFrame): void => {
  directory.heartbeat(edge);
  for (const register of frame.registers) {
    const { requestId } = register;
    if (!isValid(register)) {
      logger.error({ edge: edge.edgeId }, 'an edge registers what is not a device');
      outbox.registered({ requestId, epoch: 0, superseded: true });
      continue;
    }
    directory.register(edge, register, (outcome) => {
      const epoch = outcome.kind === 'registered' ? outcome.epoch : 0;
      outbox.registered({ requestId, epoch, superseded: outcome.kind === 'superseded' });
    });
  }
  for (const unregister of frame.unregisters) {
    if (isId(unregister.userId)) directory.unregister(edge, unregister);
  }
};

const isValid = ({ userId, deviceId, epoch }: Register): boolean =>
  isId(userId) && isDeviceId(deviceId) && Number.isSafeInteger(epoch) && epoch >= 0;
