import { rm } from 'node:fs/promises';
import path from 'node:path';
import { kubectl, SCRATCH, succeed } from './kubectl.js';

const NAMESPACES = ['godwit', 'godwit-edge', 'godwit-data'];
const VOLUMES = path.join(SCRATCH, 'volumes');

/** With all that it keeps. */
export async function deleteFleet(): Promise<void> {
  await kubectl('delete', 'namespace', ...NAMESPACES, '--ignore-not-found', '--timeout=240s');
}

/** cert-manager, a default StorageClass, and empty volumes. */
export async function bringClusterServices(): Promise<void> {
  await succeed('tests/cluster/surroundings.sh', ['cluster', VOLUMES]);
}

export async function deleteVolumes(): Promise<void> {
  await kubectl('delete', '-f', 'tests/cluster/storage-class.yaml', '--ignore-not-found');
  await kubectl('delete', 'persistentvolumes', '--all', '--timeout=60s');
  await rm(VOLUMES, { recursive: true, force: true });
}
