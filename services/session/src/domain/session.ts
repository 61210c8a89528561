/** One run of an edge process. Sessions of the same process share this object, so that its end is the end of them all. */
export interface EdgeProcess {
  readonly edgeId: string;
  readonly incarnation: string;
  /** Monotonic ms of this replica; the process counts as dead from then on. */
  leaseUntil: number;
  /** Its lease has ended, or a newer incarnation has come. Never undone. */
  ended: boolean;
}

/** A device's live socket. A replica holds a million of them: small, linked, edges and replicas shared. */
export interface Session {
  readonly deviceId: string;
  edge: EdgeProcess;
  /** The edge's number of the socket. */
  handle: number;
  /** Fencing token: of two sockets of a device the larger is the live one. */
  epoch: number;
  /** The replica that wrote the session to the archive. */
  by: string;
  /** The next device of the same user. */
  next: Session | undefined;
}

/** A session as the archive has it. */
export interface StoredSession {
  readonly deviceId: string;
  readonly edgeId: string;
  readonly incarnation: string;
  readonly handle: number;
  readonly epoch: number;
  readonly by: string;
}

export const toStored = ({ deviceId, edge, handle, epoch, by }: Session): StoredSession => ({
  deviceId,
  edgeId: edge.edgeId,
  incarnation: edge.incarnation,
  handle,
  epoch,
  by,
});

type Run = Pick<EdgeProcess, 'edgeId' | 'incarnation'>;

export const isSameRun = (a: Run, b: Run): boolean => a.edgeId === b.edgeId && a.incarnation === b.incarnation;

export const isSameSocket = (session: Session, edge: EdgeProcess, handle: number): boolean =>
  session.handle === handle && session.edge === edge;

export type EvictionReason = 'superseded' | 'revoked';
