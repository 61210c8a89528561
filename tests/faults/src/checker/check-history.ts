import { CHECKS, type CheckName, type History, type Violation } from '../history.js';
import { checkDelivery, checkPayloads, waysOf, type Way } from './check-delivery.js';
import { checkGone } from './check-gone.js';
import { checkAcks, checkDense, checkRefusals, checkSettled, checkUniqueIds } from './check-log.js';
import { checkMarksForward, checkMarksTruthful } from './check-marks.js';
import { checkMembership, checkOneOrder, checkShown } from './check-shown.js';
import { gatherFacts, type Facts } from './facts.js';

export interface Judgement {
  readonly violations: readonly Violation[];
  readonly counts: Readonly<Record<CheckName, number>>;
  readonly facts: Facts;
  readonly ways: readonly Way[];
}

/** Judges a history against the contract (DESIGN, section 1). Pure: the same history gets the same judgement. */
export function checkHistory(history: History): Judgement {
  const facts = gatherFacts(history);
  const ways = [...waysOf(facts)];
  const violations = [
    ...checkDense(facts),
    ...checkUniqueIds(facts),
    ...checkAcks(facts),
    ...checkRefusals(facts),
    ...checkShown(facts),
    ...checkOneOrder(facts),
    ...checkMembership(facts),
    ...checkGone(facts),
    ...checkMarksForward(facts),
    ...checkMarksTruthful(facts),
    ...checkDelivery(facts, ways),
    ...checkPayloads(facts),
    ...checkSettled(facts),
  ];
  const counts = Object.fromEntries(Object.keys(CHECKS).map((check) => [check, 0])) as Record<CheckName, number>;
  for (const { check } of violations) counts[check] += 1;
  return { violations, counts, facts, ways };
}
