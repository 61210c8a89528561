import { runService } from '@godwit/runtime/run-service';
import { loadRouterConfig } from './config.js';
import { startRouter } from './service.js';

await runService({
  name: 'router',
  load: () => loadRouterConfig(process.env),
  start: async (config, life) => {
    await startRouter(config, life);
  },
});
