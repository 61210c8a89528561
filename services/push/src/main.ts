import { runService } from '@godwit/runtime/run-service';
import { loadPushConfig } from './config.js';
import { startPush } from './service.js';

await runService({
  name: 'push',
  load: () => loadPushConfig(process.env),
  start: async (config, life) => {
    await startPush(config, life);
  },
});
