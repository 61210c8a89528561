// A router that confirms what it has not fanned out: to it nobody is ever connected.
import { loadRouterConfig } from '@godwit/router/config';
import { startRouter } from '@godwit/router/service';
import { runService } from '@godwit/runtime/run-service';

await runService({
  name: 'router',
  load: () => loadRouterConfig(process.env),
  start: async (config, life) => {
    await startRouter(config, life, {
      sessions: { lookup: (userIds) => Promise.resolve(new Map(userIds.map((userId) => [userId, []]))) },
    });
  },
});
