import { runService } from '@godwit/runtime/run-service';
import { loadMessageStoreConfig } from './config.js';
import { startMessageStore } from './service.js';

await runService({
  name: 'message-store',
  load: () => loadMessageStoreConfig(process.env),
  start: async (config, life) => {
    await startMessageStore(config, life);
  },
});
