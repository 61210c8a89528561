import { BenchFleet } from '../bench-fleet.js';
import { idleFound, idleProcesses, idleSetup, measureIdle } from './measure-idle.js';
import type { Context, Scenario } from './scenario.js';

/** As many authenticated sockets as are asked for, which say nothing but their heartbeats. */
export const runIdle: Scenario = async (context: Context) => {
  const { settings, say } = context;
  const edges = idleProcesses(settings.sockets);
  await using fleet = await BenchFleet.start({ replicas: { edge: edges }, profiles: settings.profiles });
  const accounts = await fleet.importUsers(settings.sockets);
  say(`idle: ${String(accounts.length)} users, ${String(edges)} edges`);
  const { edges: urls, processes } = fleet;
  const found = await measureIdle({ system: 'godwit', urls, accounts, processes, edge: 'edge' }, context);
  return { scenario: 'idle', setup: idleSetup(found, settings), ...idleFound(found) };
};
