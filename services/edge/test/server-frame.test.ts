import { fromBinary, fromJsonString } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { CallResultSchema } from '@godwit/proto/gen/client/godwit/client/v1/calls_pb';
import { ServerFrameSchema } from '@godwit/proto/gen/client/godwit/client/v1/frames_pb';
import { GetProfileResponse } from '@godwit/proto/gen/grpc/godwit/account/v1/account';
import { FetchResult } from '@godwit/proto/gen/grpc/godwit/message/v1/bodies';
import { Envelope } from '@godwit/proto/gen/grpc/godwit/message/v1/envelope';
import { callRule, callRules } from '../src/calls/call-table.js';
import { callResultFrame, deliverFrame, fetchResultFrame, serverFrame } from '../src/wire/server-frame.js';

const envelope = Envelope.encode({
  from: { userId: 'u', deviceId: 'd' },
  to: { conversationId: 'c' },
  metadata: { timestampMs: 2 ** 52, kind: 1, targetSeq: 0, mediaIds: ['m'], expiresAtMs: 0, clientMessageId: 'x' },
  payload: { content: { $case: 'text', value: { text: 'héllo' } } },
}).finish();

describe('frames that are put together around bytes', () => {
  it('are what the generated code makes', () => {
    const fields = { conversationId: 'c', seq: 2 ** 40, serverTimeMs: 1_764_000_000_000 };
    const decoded = Envelope.decode(envelope);
    for (const traceparent of ['', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01']) {
      const made = serverFrame({ $case: 'deliver', value: { ...fields, envelope: decoded, traceparent } });
      const raw = deliverFrame({ ...fields, envelope }, traceparent);
      expect(Buffer.from(raw.binary())).toEqual(Buffer.from(made.binary()));
      expect(raw.text()).toBe(made.text());
      expect(raw.size).toBe(raw.binary().length);
    }

    const result = { conversationId: 'c', messages: [{ ...fields, envelope: decoded, traceparent: '' }], gone: [] };
    const range = { floorSeq: 0, headSeq: 5, coveredFromSeq: 1, coveredToSeq: 5, more: true };
    const fetchResult = { ...result, ...range };
    const bytes = FetchResult.encode(fetchResult).finish();
    const madeFetch = serverFrame({ $case: 'fetchResult', value: fetchResult }, 70_000);
    expect(Buffer.from(fetchResultFrame(bytes, 70_000).binary())).toEqual(Buffer.from(madeFetch.binary()));
  });

  it('hold call results under the number of their call', () => {
    const profile = { userId: 'u', userName: 'n', displayName: 'd', pictureMediaId: '', about: '' };
    const response = GetProfileResponse.encode({ profile }).finish();
    const rule = callRule('getProfile');
    const frame = callResultFrame(rule?.resultField ?? 0, response, 9);
    const made = serverFrame(
      { $case: 'callResult', value: { response: { $case: 'getProfile', value: { profile } } } },
      9,
    );
    expect(Buffer.from(frame.binary())).toEqual(Buffer.from(made.binary()));
  });

  it('say the same in JSON', () => {
    const frame = deliverFrame({ conversationId: 'c', seq: 1, serverTimeMs: 2, envelope });
    const binary = fromBinary(ServerFrameSchema, frame.binary());
    expect(fromJsonString(ServerFrameSchema, frame.text())).toEqual(binary);
  });
});

describe('the table of calls', () => {
  it('has every call, each with its path and its types', () => {
    const names = [...callRules()].map(({ name }) => name).sort();
    const declared = CallResultSchema.fields.map(({ localName }) => localName).filter((name) => name !== 'refused');
    expect(names).toEqual(declared.sort());
    expect(callRule('createGroup')).toMatchObject({
      path: '/godwit.group.v1.GroupService/CreateGroup',
      resultField: 40,
    });
    for (const { name, request, response } of callRules()) {
      expect(request.name.toLowerCase()).toBe(`${name}request`.toLowerCase());
      expect(response.name.toLowerCase()).toBe(`${name}response`.toLowerCase());
    }
  });

  it('knows no calls by the names of object members', () => {
    for (const name of ['constructor', '__proto__', 'toString', 'checkDevice', ''])
      expect(callRule(name)).toBeUndefined();
  });
});
