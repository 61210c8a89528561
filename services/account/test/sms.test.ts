import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '@godwit/runtime/clock';
import { createLogger, silentLogger } from '@godwit/runtime/logger';
import { createMetrics } from '@godwit/telemetry/metrics';
import { afterEach, describe, expect, it } from 'vitest';
import { createOutboxGateway } from '../src/sms/outbox-gateway.js';
import { observeGateway } from '../src/sms/observed-gateway.js';
import { createWebhookGateway } from '../src/sms/webhook-gateway.js';

const message = { phone: '+12025550101', code: '012345' };
const endings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

describe('the outbox', () => {
  it('gets a line for each code, and the log gets no phone', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'godwit-sms-'));
    endings.push(() => rm(folder, { recursive: true }));
    const lines: string[] = [];
    const destination = { write: (line: string) => lines.push(line) };
    const logger = createLogger({ service: 'account', node: 'account-0', level: 'info', destination });
    const file = join(folder, 'deep', 'outbox.jsonl');
    const gateway = createOutboxGateway({ file, clock: new ManualClock(0), logger });
    await gateway.send(message);
    await gateway.send({ ...message, code: '999999' });
    const written = (await readFile(file, 'utf8')).trim().split('\n');
    expect(written.map((line) => JSON.parse(line) as unknown)).toEqual([
      { at: '1970-01-01T00:00:00.000Z', ...message },
      { at: '1970-01-01T00:00:00.000Z', ...message, code: '999999' },
    ]);
    expect(lines.join('')).toContain('012345');
    expect(lines.join('')).not.toContain('2025550101');
  });
});

describe('the webhook', () => {
  const serve = async (status: number): Promise<{ url: string; got: unknown[] }> => {
    const got: unknown[] = [];
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        got.push({ authorization: request.headers.authorization, ...(JSON.parse(body) as object) });
        response.writeHead(status).end('{}');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    endings.push(
      () =>
        new Promise((resolve) => {
          server.closeAllConnections();
          server.close(() => {
            resolve();
          });
        }),
    );
    return { url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/sms`, got };
  };

  it('posts the code with its bearer token', async () => {
    const { url, got } = await serve(202);
    await createWebhookGateway({ url, token: 'secret' }).send(message);
    expect(got).toMatchObject([{ authorization: 'Bearer secret', to: message.phone, code: message.code }]);
  });

  it('tells when the provider did not take it, and is counted', async () => {
    const { url } = await serve(500);
    const metrics = createMetrics({ service: 'account', node: 'account-0', processMetrics: false });
    const gateway = observeGateway(createWebhookGateway({ url, token: undefined }), { metrics, logger: silentLogger });
    await expect(gateway.send(message)).rejects.toThrow('answered 500');
    expect(await metrics.registry.metrics()).toContain('godwit_account_sms_total{outcome="failed"');
  });
});
