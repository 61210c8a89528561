// A message-store that reads heads which are too high: as from an append that was rolled back.
import type { AppendLog } from '@godwit/message-store/domain/message-log';
import { loadMessageStoreConfig } from '@godwit/message-store/config';
import { startMessageStore } from '@godwit/message-store/service';
import { runService } from '@godwit/runtime/run-service';

const TOO_HIGH = 2;

await runService({
  name: 'message-store',
  load: () => loadMessageStoreConfig(process.env),
  start: async (config, life) => {
    await startMessageStore(config, life, {
      appendLog: (real): AppendLog => ({
        loadHeads: async (ids) => {
          const heads = await real.loadHeads(ids);
          return new Map([...heads].map(([id, head]) => [id, { ...head, seq: head.seq + TOO_HIGH }]));
        },
        findByIds: (ids) => real.findByIds(ids),
        findTargets: (places) => real.findTargets(places),
        removePayloads: (places) => real.removePayloads(places),
        insert: (numbered) => real.insert(numbered),
      }),
    });
  },
});
