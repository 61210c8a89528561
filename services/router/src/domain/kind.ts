/** What a message is: the numbers of godwit.message.v1.Kind (a test holds them together). */
export const KIND = {
  text: 1,
  image: 2,
  video: 3,
  audio: 4,
  file: 5,
  location: 6,
  contact: 7,
  reaction: 8,
  edit: 9,
  delete: 10,
  seen: 11,
  membership: 12,
  card: 13,
  encrypted: 14,
} as const;

/** Why seqs hold nothing: the numbers of godwit.message.v1.GoneReason. */
export const GONE = { expired: 1, delivered: 2, deleted: 3, notAMember: 4 } as const;

const WAKING: ReadonlySet<number> = new Set([
  KIND.text,
  KIND.image,
  KIND.video,
  KIND.audio,
  KIND.file,
  KIND.location,
  KIND.contact,
  KIND.card,
  KIND.encrypted,
]);

/** Whether a message of this kind is worth a push. A reaction, an edit or a mark waits until the device comes by itself. */
export const wakes = (kind: number): boolean => WAKING.has(kind);

const TARGETING: ReadonlySet<number> = new Set([KIND.reaction, KIND.edit, KIND.delete, KIND.seen]);

/** Whether a message of this kind is about another one. */
export const needsTarget = (kind: number): boolean => TARGETING.has(kind);
