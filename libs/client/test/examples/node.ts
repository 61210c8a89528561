import { GodwitClient } from '@godwit/client/client';
import { fileStorage } from '@godwit/client/file-storage';
import { textOf } from '@godwit/client/message';
import { nodeSocket } from '@godwit/client/node-socket';
import type { TokenSource } from '@godwit/client/tokens';

/** A bot that answers. `tokens`: RefreshingTokens with those that `CreateBot` gave. */
export async function runEchoBot(edges: string[], tokens: TokenSource): Promise<GodwitClient> {
  const client = new GodwitClient({
    edges,
    tokens,
    socket: nodeSocket,
    storage: await fileStorage('echo-bot/state'),
    name: 'echo-bot/1.0',
  });
  client.on('message', (message) => {
    const text = textOf(message);
    if (text === undefined || message.from.userId === client.userId) return;
    client
      // The same id for the same question: asked again after a crash, it is answered once.
      .send(message.conversationId, { text, targetSeq: message.seq, clientMessageId: `echo-${String(message.seq)}` })
      .catch(console.error);
  });
  client.on('problem', console.error);
  await client.connect();
  return client;
}
