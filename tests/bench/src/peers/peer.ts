import { cacheFolder } from '@godwit/local-stack/servers/acquire-server';
import type { System } from '../generator/commands.js';
import type { NamedPid } from '../process-usage.js';

/** A system that others run, brought up for a measurement. */
export interface Peer extends AsyncDisposable {
  /** With its version, for people. */
  readonly title: string;
  readonly system: System;
  readonly urls: readonly string[];
  /** All of its processes, those of its database too. */
  readonly processes: () => readonly NamedPid[];
}

/** This machine can't have that peer: one sentence says why, and the others still run. */
export class PeerMissing extends Error {
  override readonly name = 'PeerMissing';
}

/** Shared by all clones on a machine. */
export const peersFolder = (): string => cacheFolder('peers');
