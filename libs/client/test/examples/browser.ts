import { httpCalls } from '@godwit/client/calls';
import { GodwitClient } from '@godwit/client/client';
import { indexedDbStorage } from '@godwit/client/indexeddb-storage';
import { RefreshingTokens } from '@godwit/client/tokens';
import { webSocket } from '@godwit/client/web-socket';

const edges = ['wss://chat.example.com'];
const http = httpCalls(edges);

/** The page of a device that is signed in, or signs in now with the code that came by SMS. */
export async function open(signIn?: { verificationId: string; code: string }): Promise<GodwitClient> {
  const storage = await indexedDbStorage('godwit-alice-laptop');
  const tokens = new RefreshingTokens(storage, http);
  if (signIn !== undefined) {
    const { outcome } = await http.call('validateAccount', signIn);
    if (outcome.case !== 'signedIn' || outcome.value.tokens === undefined) throw new Error('wrong code');
    const { accessToken, accessExpiresAtMs, refreshToken } = outcome.value.tokens;
    await tokens.replace({ accessToken, accessExpiresAtMs: Number(accessExpiresAtMs), refreshToken });
  }
  const client = new GodwitClient({ edges, tokens, socket: webSocket, storage, name: 'web/1.0' });
  window.addEventListener('online', () => {
    client.reconnect();
  });
  await client.connect();
  return client;
}
