import { newId } from '@godwit/ids/id';
import { API_KEY_SCOPES, type ApiKey, type ApiKeyScope } from './model.js';
import type { ApiKeyStore, Secrets } from './ports.js';
import { invalid, Refusal } from './refusal.js';

export interface ApiKeyDeps {
  readonly store: ApiKeyStore;
  readonly secrets: Secrets;
  /** The key from the configuration, with every scope, that makes the others; several while it is being rotated. */
  readonly bootstrapKeys: readonly string[];
}

const BOOTSTRAP: ApiKey = { id: 'bootstrap', name: 'bootstrap', scopes: API_KEY_SCOPES };
const KEY_PATTERN = /^gk_([a-z2-7]{26})_([A-Za-z0-9_-]{43})$/;

const isScope = (value: string): value is ApiKeyScope => (API_KEY_SCOPES as readonly string[]).includes(value);

export const readScopes = (values: readonly string[]): readonly ApiKeyScope[] => {
  if (values.length === 0 || values.length > API_KEY_SCOPES.length) {
    throw invalid('scopes', `must be 1 to ${String(API_KEY_SCOPES.length)} of ${API_KEY_SCOPES.join(', ')}`);
  }
  return values.map((value, index) => {
    if (!isScope(value)) throw invalid(`scopes[${String(index)}]`, `must be one of ${API_KEY_SCOPES.join(', ')}`);
    return value;
  });
};

export const createApiKeys = ({ store, secrets, bootstrapKeys }: ApiKeyDeps) => {
  const bootstrapHashes = bootstrapKeys.map((key) => secrets.tokenHash(key));

  /** Whose key it is; undefined: nobody's. */
  const verify = async (key: string): Promise<ApiKey | undefined> => {
    const hash = secrets.tokenHash(key);
    if (bootstrapHashes.some((bootstrap) => secrets.same(hash, bootstrap))) return BOOTSTRAP;
    const [, id, secret] = KEY_PATTERN.exec(key) ?? [];
    if (id === undefined || secret === undefined) return undefined;
    const found = await store.find(id);
    if (found === undefined || !secrets.same(found.secretHash, secrets.tokenHash(secret))) return undefined;
    return { id: found.id, name: found.name, scopes: found.scopes };
  };

  /** For the calls that bring the key in the request. */
  const demand = async (key: string, scope: ApiKeyScope): Promise<ApiKey> => {
    const found = await verify(key);
    if (found === undefined) {
      throw new Refusal('unauthenticated', 'API_KEY_INVALID', {
        message: 'this API key is not known',
        field: 'api_key',
      });
    }
    if (!found.scopes.includes(scope)) {
      throw new Refusal('denied', 'API_KEY_SCOPE', {
        message: `this API key lacks the scope ${scope}`,
        field: 'api_key',
      });
    }
    return found;
  };

  const create = async (name: string, scopes: readonly ApiKeyScope[]): Promise<{ id: string; key: string }> => {
    const id = newId();
    const secret = secrets.newToken();
    await store.insert({ id, name, scopes: [...new Set(scopes)], secretHash: secrets.tokenHash(secret) });
    return { id, key: `gk_${id}_${secret}` };
  };

  const revoke = async (id: string): Promise<void> => {
    if (await store.revoke(id)) return;
    throw new Refusal('not_found', 'API_KEY_NOT_FOUND', { message: 'there is no such API key', field: 'api_key_id' });
  };

  return { verify, demand, create, revoke };
};

export type ApiKeys = ReturnType<typeof createApiKeys>;
