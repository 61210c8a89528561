import { readFile } from 'node:fs/promises';
import path from 'node:path';

export const CONTENTS_FILE = 'contents.json';

/** What a dump says of itself. */
export interface Contents {
  /** By the clock of the server, ISO 8601: what was acked before is in it. */
  readonly takenAt: string;
  /** How many, by collection. */
  readonly documents: Readonly<Record<string, number>>;
}

export const fileOf = (folder: string, collection: string): string => path.join(folder, `${collection}.bson`);

/** @throws Error for a folder that is no complete dump */
export const readContents = async (folder: string): Promise<Contents> => {
  try {
    return JSON.parse(await readFile(path.join(folder, CONTENTS_FILE), 'utf8')) as Contents;
  } catch (error) {
    throw new Error(`${folder} is no complete dump: its ${CONTENTS_FILE} can't be read`, { cause: error });
  }
};
