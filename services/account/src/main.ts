import { runService } from '@godwit/runtime/run-service';
import { loadAccountConfig } from './config.js';
import { startAccount } from './service.js';

await runService({
  name: 'account',
  load: () => loadAccountConfig(process.env),
  start: async (config, life) => {
    await startAccount(config, life);
  },
});
