import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { CallResultSchema, CallSchema, type Call } from '@godwit/proto/gen/client/godwit/client/v1/calls_pb';

/** The name of a call: `createGroup`, `getReceipts`, ... */
export type CallName = NonNullable<Call['request']['case']>;
export type CalledService = 'account' | 'group' | 'presence' | 'push' | 'router';

interface Rule {
  readonly service: CalledService;
  /** Doing it twice is doing it once: it may be tried at another replica when one doesn't answer. */
  readonly repeatable: boolean;
  /** Needs no user; exists over HTTP only. */
  readonly anonymous?: true;
}

const read = (service: CalledService): Rule => ({ service, repeatable: true });
/** Sets something to a value, or carries an id that makes a repetition harmless. */
const set = read;
const once = (service: CalledService): Rule => ({ service, repeatable: false });
// A second attempt would send a second SMS, use up a try, or look like a stolen refresh token.
const anonymous: Rule = { service: 'account', repeatable: false, anonymous: true };

/** Every call that a client may make, and who does it. */
const RULES: Readonly<Record<CallName, Rule>> = {
  registerUser: anonymous,
  loginUser: anonymous,
  validateAccount: anonymous,
  refreshToken: anonymous,
  logout: set('account'),
  createTicket: set('account'),
  getProfile: read('account'),
  updateProfile: set('account'),
  getPrivacy: read('account'),
  updatePrivacy: set('account'),
  findUser: read('account'),
  listDevices: read('account'),
  removeDevice: set('account'),
  addContact: set('account'),
  removeContact: set('account'),
  listContacts: read('account'),
  blockUser: set('account'),
  unblockUser: set('account'),
  listBlocks: read('account'),
  createGroup: set('group'),
  getGroup: read('group'),
  updateGroup: once('group'),
  addMembers: once('group'),
  removeMembers: once('group'),
  leaveGroup: once('group'),
  grantAdmin: once('group'),
  revokeAdmin: once('group'),
  transferOwnership: once('group'),
  createInvite: once('group'),
  revokeInvite: set('group'),
  joinByInvite: once('group'),
  listMembers: read('group'),
  listConversations: read('group'),
  muteConversation: set('group'),
  sendMessage: set('router'),
  getMessages: read('router'),
  getReceipts: read('router'),
  setHistory: set('router'),
  getPresence: read('presence'),
  registerPushToken: set('push'),
  removePushToken: set('push'),
};

export interface CallRule extends Rule {
  readonly name: CallName;
  readonly anonymousOnly: boolean;
  /** `/godwit.group.v1.GroupService/CreateGroup` */
  readonly path: string;
  readonly request: DescMessage;
  readonly response: DescMessage;
  /** Number of the response's member in CallResult. */
  readonly resultField: number;
}

const messageOf = (field: DescField | undefined, name: string): DescMessage => {
  if (field?.message === undefined) throw new Error(`the call ${name} is not in calls.proto`);
  return field.message;
};

const pascalCase = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);

const ruleOf = (name: CallName): CallRule => {
  const rule = RULES[name];
  const request = messageOf(CallSchema.field[name], name);
  const resultField = CallResultSchema.field[name];
  const response = messageOf(resultField, name);
  const packageName = request.typeName.slice(0, request.typeName.lastIndexOf('.'));
  return {
    ...rule,
    name,
    anonymousOnly: rule.anonymous === true,
    path: `/${packageName}.${pascalCase(rule.service)}Service/${pascalCase(name)}`,
    request,
    response,
    resultField: resultField?.number ?? 0,
  };
};

const CALLS: ReadonlyMap<string, CallRule> = new Map(
  (Object.keys(RULES) as CallName[]).map((name) => [name, ruleOf(name)]),
);

export const callRules = (): Iterable<CallRule> => CALLS.values();

/** The rule of a call by its name, which may be anything a client writes into a URL. */
export const callRule = (name: string): CallRule | undefined => CALLS.get(name);
