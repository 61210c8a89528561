import type { SmsGateway } from '../domain/ports.js';

export interface WebhookOptions {
  readonly url: string;
  /** Sent as a bearer token. */
  readonly token: string | undefined;
}

const TIMEOUT_MS = 5_000;

/** Hands a code to a provider's HTTP endpoint: POST `{to, code, text}` as JSON; any 2xx says that it went out. */
export const createWebhookGateway = ({ url, token }: WebhookOptions): SmsGateway => ({
  send: async ({ phone, code }) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ to: phone, code, text: `${code} is your Godwit code. Give it to nobody.` }),
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    // Unread bodies keep their connection.
    await response.body?.cancel();
    if (!response.ok) throw new Error(`the SMS gateway answered ${String(response.status)}`);
  },
});
