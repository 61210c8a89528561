// A message-store that finds nothing by its id: a retry looks new to it. (The unique index is dropped by the test.)
import type { AppendLog } from '@godwit/message-store/domain/message-log';
import { loadMessageStoreConfig } from '@godwit/message-store/config';
import { startMessageStore } from '@godwit/message-store/service';
import { runService } from '@godwit/runtime/run-service';

await runService({
  name: 'message-store',
  load: () => loadMessageStoreConfig(process.env),
  start: async (config, life) => {
    await startMessageStore(config, life, {
      appendLog: (real): AppendLog => ({
        loadHeads: (ids) => real.loadHeads(ids),
        findByIds: () => Promise.resolve(new Map()),
        findTargets: (places) => real.findTargets(places),
        removePayloads: (places) => real.removePayloads(places),
        insert: (numbered) => real.insert(numbered),
      }),
    });
  },
});
