import { newId } from '@godwit/ids/id';
import { issueAccessToken, type IssueDeps } from './issue-tokens.js';
import { MAX_DEVICES } from './model.js';
import type { DeviceRegistry, ImportLedger, ImportRow, NameClaims, PhoneClaims, UserDirectory } from './ports.js';

export interface ImportDeps extends Pick<IssueDeps, 'clock' | 'signer' | 'secrets'> {
  readonly ledger: ImportLedger;
  readonly phones: PhoneClaims;
  readonly nameClaims: NameClaims;
  readonly users: UserDirectory;
  readonly devices: DeviceRegistry;
}

export interface ImportEntry {
  readonly externalId: string;
  readonly phone: string | undefined;
  readonly userName: string | undefined;
  readonly displayName: string;
}

export interface ImportRequest {
  readonly entries: readonly ImportEntry[];
  readonly devicesPerUser: number;
  readonly tokenValidMs: number;
}

export interface ImportedDevice {
  readonly deviceId: string;
  readonly accessToken: string;
}

export type ImportResult =
  | { readonly externalId: string; readonly refusedReason: 'PHONE_TAKEN' | 'USER_NAME_TAKEN' }
  | { readonly externalId: string; readonly userId: string; readonly devices: readonly ImportedDevice[] };

/** An entry with the user it is or becomes. */
interface Candidate {
  readonly entry: ImportEntry;
  readonly row: ImportRow;
  readonly phoneKey: string | undefined;
}

type Refused = Map<string, 'PHONE_TAKEN' | 'USER_NAME_TAKEN'>;

/** Signing holds the event loop for a moment each: others get their turn in between. */
const SIGN_TOGETHER = 200;

/**
 * Makes many users at once, each step in bulk and doing nothing where it was done before: the ledger says which user
 * an external id is (its first import's), so an import that broke off or whose answer was lost is just sent again.
 * Fields of a user that exists are left as they are; devices that were removed stay away.
 */
export const importUsers =
  (deps: ImportDeps) =>
  async ({ entries, devicesPerUser, tokenValidMs }: ImportRequest): Promise<readonly ImportResult[]> => {
    const candidates = await enrol(deps, entries);
    const refused: Refused = new Map();
    await claimPhones(deps, candidates, refused);
    await claimNames(deps, candidates, refused);
    const accepted = candidates.filter(({ entry }) => !refused.has(entry.externalId));
    await makeUsers(deps, accepted);
    const devicesOf = await makeDevices(deps, accepted, devicesPerUser);
    const tokens = await sign(deps, devicesOf, tokenValidMs);
    return candidates.map(({ entry: { externalId }, row: { userId } }) => {
      const refusedReason = refused.get(externalId);
      return refusedReason === undefined
        ? { externalId, userId, devices: tokens.get(userId) ?? [] }
        : { externalId, refusedReason };
    });
  };

export type ImportUsers = ReturnType<typeof importUsers>;

const enrol = async (deps: ImportDeps, entries: readonly ImportEntry[]): Promise<readonly Candidate[]> => {
  const rows = await deps.ledger.claim(
    entries.map(({ externalId }) => ({
      externalId,
      userId: newId(),
      deviceIds: Array.from({ length: MAX_DEVICES }, newId),
    })),
  );
  return entries.flatMap((entry) => {
    const row = rows.get(entry.externalId);
    const phoneKey = entry.phone === undefined ? undefined : deps.secrets.phoneKey(entry.phone);
    return row === undefined ? [] : [{ entry, row, phoneKey }];
  });
};

const phoneClaimsOf = (candidates: readonly Candidate[]) =>
  candidates.flatMap(({ row, phoneKey }) => (phoneKey === undefined ? [] : [{ key: phoneKey, userId: row.userId }]));

const claimPhones = async (deps: ImportDeps, candidates: readonly Candidate[], refused: Refused): Promise<void> => {
  const owners = await deps.phones.claim(phoneClaimsOf(candidates));
  for (const { entry, row, phoneKey } of candidates) {
    if (phoneKey !== undefined && owners.get(phoneKey) !== row.userId) refused.set(entry.externalId, 'PHONE_TAKEN');
  }
};

const claimNames = async (deps: ImportDeps, candidates: readonly Candidate[], refused: Refused): Promise<void> => {
  const wishes = candidates.flatMap((candidate) => {
    const { userName, externalId } = candidate.entry;
    return userName === undefined || refused.has(externalId) ? [] : [{ candidate, userName }];
  });
  const owners = await deps.nameClaims.claim(
    wishes.map(({ candidate, userName }) => ({ key: userName, userId: candidate.row.userId })),
  );
  const losers = wishes
    .filter(({ candidate, userName }) => owners.get(userName) !== candidate.row.userId)
    .map(({ candidate }) => candidate);
  for (const { entry } of losers) refused.set(entry.externalId, 'USER_NAME_TAKEN');
  await releasePhones(deps, losers);
};

/** Who is not imported must not keep the phone either, unless it was imported before. */
const releasePhones = async ({ phones, users }: ImportDeps, losers: readonly Candidate[]): Promise<void> => {
  const claims = phoneClaimsOf(losers);
  if (claims.length === 0) return;
  const existing = new Set((await users.findMany(claims.map(({ userId }) => userId))).map(({ userId }) => userId));
  await phones.release(claims.filter(({ userId }) => !existing.has(userId)));
};

const makeUsers = async ({ users }: ImportDeps, accepted: readonly Candidate[]): Promise<void> => {
  await users.ensure(
    accepted.map(({ entry, row, phoneKey }) => ({
      userId: row.userId,
      kind: 'person',
      displayName: entry.displayName,
      ...(phoneKey === undefined ? {} : { phoneKey }),
    })),
  );
  const names = accepted.flatMap(({ entry, row }) =>
    entry.userName === undefined ? [] : [[row.userId, entry.userName] as const],
  );
  await users.setUserNames(new Map(names));
};

/** The devices that stand of those asked for, by user. */
const makeDevices = async (
  { devices }: ImportDeps,
  accepted: readonly Candidate[],
  perUser: number,
): Promise<ReadonlyMap<string, readonly string[]>> => {
  await devices.ensure(
    accepted.flatMap(({ row: { userId, deviceIds } }) =>
      deviceIds.slice(0, perUser).map((deviceId, index) => {
        return { userId, deviceId, name: `imported ${String(index + 1)}`, platform: 'unspecified' as const };
      }),
    ),
  );
  const standing = await devices.listOf(accepted.map(({ row }) => row.userId));
  return new Map(
    accepted.map(({ row: { userId, deviceIds } }) => {
      const there = new Set(standing.get(userId)?.map(({ deviceId }) => deviceId));
      return [userId, deviceIds.slice(0, perUser).filter((deviceId) => there.has(deviceId))];
    }),
  );
};

const sign = async (
  deps: ImportDeps,
  devicesOf: ReadonlyMap<string, readonly string[]>,
  validMs: number,
): Promise<ReadonlyMap<string, readonly ImportedDevice[]>> => {
  const actors = [...devicesOf].flatMap(([userId, ids]) => ids.map((deviceId) => ({ userId, deviceId })));
  const signed = new Map<string, ImportedDevice[]>([...devicesOf.keys()].map((userId) => [userId, []]));
  for (let start = 0; start < actors.length; start += SIGN_TOGETHER) {
    const some = actors.slice(start, start + SIGN_TOGETHER);
    const tokens = await Promise.all(some.map((actor) => issueAccessToken(deps, actor, validMs)));
    some.forEach(({ userId, deviceId }, index) => {
      const accessToken = tokens[index]?.accessToken;
      if (accessToken !== undefined) signed.get(userId)?.push({ deviceId, accessToken });
    });
  }
  return signed;
};
