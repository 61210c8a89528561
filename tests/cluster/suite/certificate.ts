import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { SCRATCH, succeed } from './kubectl.js';

/** The certificate that clients of the overlay `staging` see, and its key: `chat.crt`, `chat.key`. */
export const STAGING = path.join(SCRATCH, 'staging');

/** Once before all files: a process of Node reads whom it trusts when it starts (vitest.config.ts). */
export async function setup(): Promise<void> {
  await mkdir(STAGING, { recursive: true });
  const subject = ['-subj', '/CN=chat.staging.example.com', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30'];
  const files = ['-keyout', path.join(STAGING, 'chat.key'), '-out', path.join(STAGING, 'chat.crt')];
  await succeed('openssl', ['req', '-x509', ...key, ...subject, ...files]);
}
