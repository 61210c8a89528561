// A router that reads two neighbours of the log the wrong way round: each with the other's place.
import type { LogPage, LogQuery, MessageLog, StoredMessage } from '@godwit/router/domain/ports';
import { loadRouterConfig } from '@godwit/router/config';
import { startRouter } from '@godwit/router/service';
import { runService } from '@godwit/runtime/run-service';

const TEXT = 1;

await runService({
  name: 'router',
  load: () => loadRouterConfig(process.env),
  start: async (config, life) => {
    await startRouter(config, life, { around: ({ log }) => ({ log: swapping(log) }) });
  },
});

function swapping(log: MessageLog): MessageLog {
  const read = async (query: LogQuery): Promise<LogPage> => {
    const page = await log.read(query);
    return { ...page, messages: swapped(page.messages) };
  };
  return new Proxy(log, {
    get: (target, name) => {
      if (name === 'read') return read;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

function swapped(messages: readonly StoredMessage[]): StoredMessage[] {
  const result = [...messages];
  for (let index = 0; index + 1 < result.length; index += 2) {
    const [first, second] = [result[index], result[index + 1]];
    if (first === undefined || second === undefined || first.kind !== TEXT || second.kind !== TEXT) continue;
    result[index] = { ...second, seq: first.seq };
    result[index + 1] = { ...first, seq: second.seq };
  }
  return result;
}
