// What a check has found: a sentence for an operator.

export interface Finding {
  subject: string;
  problem: string;
  remedy: string;
  /** Whether repair puts it right, or a person has to. */
  isRepairable: boolean;
}

const REBUILD = "'ecs-ipam fsck --repair' makes a new store of the sound leases";

export const repairable = (subject: string, problem: string, remedy = REBUILD): Finding => ({
  subject,
  problem,
  remedy,
  isRepairable: true,
});

export const byHand = (subject: string, problem: string, remedy: string): Finding => ({
  subject,
  problem,
  remedy,
  isRepairable: false,
});

export const sentence = ({ subject, problem, remedy }: Finding): string => `${subject}: ${problem}; ${remedy}.`;
