import path from 'node:path';
import { summaryOf, type Summary } from '../src/report/summary.js';
import { tableOf } from '../src/report/table.js';
import { writeReport } from '../src/report/write-report.js';
import type { RunResult } from '../src/run.js';

/** Sums a run up; one in which a promise was broken leaves its report, for the reader of the failed test. */
export async function judged(result: RunResult, name: string): Promise<Summary> {
  const summary = summaryOf(result, 'npm test');
  if (summary.violations.length > 0) {
    const folder = path.resolve('.godwit/faults', `${name}-${String(result.plan.seed)}`);
    await writeReport(folder, summary, result);
    console.log(`${tableOf(summary)}\n  ${folder}`);
  }
  return summary;
}

/** What was broken, in a sentence each. */
export function brokenIn({ violations }: Summary): string[] {
  return violations.map(({ check, text }) => `${check}: ${text}`);
}
