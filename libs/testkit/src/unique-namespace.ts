import { randomBytes } from 'node:crypto';

/** A value for GODWIT_NAMESPACE that no other test file uses: database, key prefix, subject prefix in one. */
export function uniqueNamespace(): string {
  return `t${randomBytes(6).toString('hex')}`;
}
