import type { GodwitClient } from '@godwit/client/client';
import type { EndReason } from '@godwit/client/connection';
import { CliError, EXIT } from './exit.js';

/** Connects; a client that ends for good ends the command with the reason. Waits as long as it takes otherwise. */
export async function connect(client: GodwitClient): Promise<void> {
  let ended: CliError | undefined;
  client.on('ended', (reason) => {
    ended = endedError(reason);
  });
  try {
    await client.connect();
  } catch (error) {
    throw ended ?? error;
  }
}

/** Undefined: it was the command itself that closed the client. */
export function endedError(reason: EndReason): CliError | undefined {
  switch (reason) {
    case 'closed':
      return undefined;
    case 'replaced':
      return new CliError(
        EXIT.refused,
        'this device was opened elsewhere: it has one live socket, and the newer one wins',
      );
    case 'signed-out':
      return new CliError(EXIT.signedOut, 'this device was signed out: `godwit login` signs it in again');
  }
}
