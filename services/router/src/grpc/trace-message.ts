import {
  EventsRead as WireRead,
  Step as WireStep,
  StepState as WireState,
  type TraceMessageRequest,
  type TraceMessageResponse,
} from '@godwit/proto/gen/grpc/godwit/router/v1/trace';
import type { TraceMessage } from '../domain/trace-message.js';
import type { EventsRead, StepName, StepState } from '../domain/trace.js';
import { answering } from './refused-call.js';

const STEPS: Readonly<Record<StepName, WireStep>> = {
  accepted: WireStep.STEP_ACCEPTED,
  stored: WireStep.STEP_STORED,
  announced: WireStep.STEP_ANNOUNCED,
  'fanned-out': WireStep.STEP_FANNED_OUT,
  pushed: WireStep.STEP_PUSHED,
  delivered: WireStep.STEP_DELIVERED,
  read: WireStep.STEP_READ,
  expired: WireStep.STEP_EXPIRED,
};

const STATES: Readonly<Record<StepState, WireState>> = {
  done: WireState.STEP_STATE_DONE,
  'not-yet': WireState.STEP_STATE_NOT_YET,
  unknown: WireState.STEP_STATE_UNKNOWN,
};

const READS: Readonly<Record<EventsRead, WireRead>> = {
  complete: WireRead.EVENTS_READ_COMPLETE,
  'too-old': WireRead.EVENTS_READ_TOO_OLD,
  'bound-exceeded': WireRead.EVENTS_READ_BOUND_EXCEEDED,
  unavailable: WireRead.EVENTS_READ_UNAVAILABLE,
};

/** Where is my message? */
export const traceMessage =
  (traces: TraceMessage) =>
  (request: TraceMessageRequest): Promise<TraceMessageResponse> =>
    answering(async () => {
      const { steps, eventsRead, recipients, leftOut } = await traces.trace(request);
      return {
        steps: steps.map((one) => ({ ...one, step: STEPS[one.step], state: STATES[one.state] })),
        events: READS[eventsRead],
        recipients,
        recipientsLeftOut: leftOut,
      };
    });
