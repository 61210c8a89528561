import { newId } from '@godwit/ids/id';
import type { Stack } from '@godwit/local-stack/stack';
import { AccountServiceClient, type ImportUsersResponse } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import { credentials, Metadata } from '@grpc/grpc-js';

export interface Credentials {
  readonly userId: string;
  readonly deviceId: string;
  readonly accessToken: string;
}

const TOKEN_SECONDS = 24 * 3_600;

/** New users, each with as many devices as asked for. */
export async function importPeople(stack: Stack, devicesPerUser: readonly number[]): Promise<Credentials[][]> {
  const client = new AccountServiceClient(stack.grpcAddress('account-0'), credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set('x-api-key', stack.secrets.adminApiKey);
  try {
    const people: Credentials[][] = [];
    for (const count of devicesPerUser) {
      const { users } = await new Promise<ImportUsersResponse>((resolve, reject) => {
        const user = { externalId: newId(), phone: '', userName: '', displayName: '' };
        const request = { users: [user], devicesPerUser: count, tokenValidSeconds: TOKEN_SECONDS };
        client.importUsers(request, metadata, { deadline: Date.now() + 30_000 }, (error, answer) => {
          if (error === null) resolve(answer);
          else reject(error);
        });
      });
      const [made] = users;
      if (made === undefined || made.refusedReason !== '')
        throw new Error(`not imported: ${made?.refusedReason ?? ''}`);
      people.push(made.devices.map((device) => ({ userId: made.userId, ...device })));
    }
    return people;
  } finally {
    client.close();
  }
}
