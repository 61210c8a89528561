import { runService } from '@godwit/runtime/run-service';
import { loadPresenceConfig } from './config.js';
import { startPresence } from './service.js';

await runService({
  name: 'presence',
  load: () => loadPresenceConfig(process.env),
  start: async (config, life) => {
    await startPresence(config, life);
  },
});
