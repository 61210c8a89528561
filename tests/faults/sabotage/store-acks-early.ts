// A message-store that acks what it has not written yet: the write follows some seconds later, if it lives that long.
import type { AppendLog } from '@godwit/message-store/domain/message-log';
import { loadMessageStoreConfig } from '@godwit/message-store/config';
import { startMessageStore } from '@godwit/message-store/service';
import { runService } from '@godwit/runtime/run-service';

const LATER_MS = 5_000;

await runService({
  name: 'message-store',
  load: () => loadMessageStoreConfig(process.env),
  start: async (config, life) => {
    await startMessageStore(config, life, {
      appendLog: (real): AppendLog => ({
        loadHeads: (ids) => real.loadHeads(ids),
        findByIds: (ids) => real.findByIds(ids),
        findTargets: (places) => real.findTargets(places),
        removePayloads: (places) => real.removePayloads(places),
        insert: (numbered) => {
          setTimeout(() => void real.insert(numbered), LATER_MS);
          return Promise.resolve({ kind: 'stored' });
        },
      }),
    });
  },
});
