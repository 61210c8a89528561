import { runService } from '@godwit/runtime/run-service';
import { loadEdgeConfig } from './config.js';
import { startEdge } from './service.js';

// The first signal drains, which takes a while; a second one says that there is no time for it.
const hurry = new AbortController();
let signals = 0;
const onSignal = (): void => {
  signals += 1;
  if (signals > 1) hurry.abort();
};
process.on('SIGTERM', onSignal);
process.on('SIGINT', onSignal);

await runService({
  name: 'edge',
  load: () => loadEdgeConfig(process.env),
  start: async (config, life) => {
    await startEdge(config, life, { hurry: hurry.signal });
  },
});
