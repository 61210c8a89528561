import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export interface StackSecrets {
  /** With which members of the fleet call each other. */
  readonly fleetToken: string;
  /** An API key with every scope, known to `account` from its start: how the first other key is made. */
  readonly adminApiKey: string;
}

export function newSecrets(): StackSecrets {
  return {
    fleetToken: randomBytes(32).toString('base64url'),
    adminApiKey: `gk_${randomBytes(32).toString('base64url')}`,
  };
}

/** The secrets of a state folder, made at its first start: an API key somebody has noted down goes on working. */
export function keptSecrets(dir: string): StackSecrets {
  const file = path.join(dir, 'secrets.json');
  mkdirSync(dir, { recursive: true });
  try {
    writeFileSync(file, `${JSON.stringify(newSecrets(), undefined, 2)}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || error.code !== 'EEXIST') throw error;
  }
  return JSON.parse(readFileSync(file, 'utf8')) as StackSecrets;
}
