import { AccountServiceService } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import { GroupServiceService } from '@godwit/proto/gen/grpc/godwit/group/v1/group';
import type { NodeAddress } from '@godwit/ring/node-address';
import { connectNodes, type PoolOptions } from '@godwit/rpc/node-pool';
import type { Membership, UserDevices } from '../domain/reaper.js';
import { AccountDevices } from './account-devices.js';
import { GroupMembership } from './group-membership.js';

export interface Peers {
  readonly membership: Membership;
  readonly devices: UserDevices;
  close(): void;
}

export interface PeersOptions extends Omit<PoolOptions, 'nodes'> {
  readonly groups: readonly NodeAddress[];
  readonly accounts: readonly NodeAddress[];
}

/** Whom the reaper asks. Connections are made when they are first used. */
export const connectPeers = ({ groups, accounts, ...options }: PeersOptions): Peers => {
  const group = connectNodes(GroupServiceService, { ...options, nodes: groups });
  const account = connectNodes(AccountServiceService, { ...options, nodes: accounts });
  return {
    membership: new GroupMembership(group),
    devices: new AccountDevices(account),
    close: () => {
      group.close();
      account.close();
    },
  };
};
