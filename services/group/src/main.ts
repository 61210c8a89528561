import { runService } from '@godwit/runtime/run-service';
import { loadGroupConfig } from './config.js';
import { startGroup } from './service.js';

await runService({
  name: 'group',
  load: () => loadGroupConfig(process.env),
  start: async (config, life) => {
    await startGroup(config, life);
  },
});
