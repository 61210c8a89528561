import { Generators } from '../generator-process.js';
import { startCentrifugo } from '../peers/start-centrifugo.js';
import { CROWD_GENERATORS, crowdOf, measureCrowd } from './measure-crowd.js';
import { idleFound, idleProcesses, idleSetup, measureIdle } from './measure-idle.js';
import { at, connection, dealt, type PeerScenario, specOf } from './scenario.js';

const CHANNEL = 'crowd';

/** One channel with as many subscribers. Nothing is stored; acked is the answer to a publish. */
export const runCrowdOnCentrifugo: PeerScenario = async (context) => {
  const { settings, say } = context;
  await using centrifugo = await startCentrifugo(1, say);
  const { urls, system, processes, title } = centrifugo;
  using generators = new Generators(CROWD_GENERATORS);
  const members = crowdOf(settings);
  const specs = centrifugo.users(members).map((account) => specOf(account, [CHANNEL], at(urls, 0)));
  const shares = dealt(specs, { generators, edges: urls });
  await generators.each('connect', (index) => connection(at(shares, index), settings, system));
  say(`crowd: ${String(members)} subscribers of Centrifugo are connected`);
  // The one who writes is a subscriber, too, and gets what it writes.
  const load = { generators, processes, recipients: members, senders: [0] };
  return {
    peer: title,
    setup: `One channel of ${String(members)} subscribers on one node, the same messages by one of them, JSON on WebSockets; neither stored nor repeated to who was away.`,
    ...(await measureCrowd(load, context)),
  };
};

export const runIdleOnCentrifugo: PeerScenario = async (context) => {
  const { settings, say } = context;
  await using centrifugo = await startCentrifugo(idleProcesses(settings.sockets), say);
  const { urls, system, processes, title } = centrifugo;
  const accounts = centrifugo.users(settings.sockets);
  const found = await measureIdle({ system, urls, accounts, processes, edge: 'centrifugo' }, context);
  return { peer: title, setup: idleSetup(found, settings), ...idleFound(found) };
};
