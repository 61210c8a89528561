import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** With every scope, known to `account` and to the CLI in development, and refused in production. */
export const DEVELOPMENT_API_KEY = 'godwit-development-key';

export interface StackSecrets {
  /** With which members of the fleet call each other. */
  readonly fleetToken: string;
  readonly adminApiKey: string;
  /** Seals the signing keys of access tokens. */
  readonly masterKey: string;
  /** Keys the hashes of phone numbers. */
  readonly phonePepper: string;
}

function newSecrets(): StackSecrets {
  const random = (): string => randomBytes(32).toString('base64url');
  return {
    fleetToken: random(),
    adminApiKey: DEVELOPMENT_API_KEY,
    masterKey: random(),
    phonePepper: random(),
  };
}

/** The secrets of a stack's folder, made at its first start: its data can't be read with others. */
export function keptSecrets(dir: string): StackSecrets {
  const file = path.join(dir, 'secrets.json');
  const secrets = { ...newSecrets(), ...readKept(file) };
  mkdirSync(dir, { recursive: true });
  const scratch = `${file}.${String(process.pid)}`;
  writeFileSync(scratch, `${JSON.stringify(secrets, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(scratch, file);
  return secrets;
}

function readKept(file: string): Partial<StackSecrets> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Partial<StackSecrets>;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw error;
  }
}
