import { runService } from '@godwit/runtime/run-service';
import { loadSessionConfig } from './config.js';
import { startSession } from './service.js';

await runService({
  name: 'session',
  load: () => loadSessionConfig(process.env),
  start: async (config, life) => {
    await startSession(config, life);
  },
});
