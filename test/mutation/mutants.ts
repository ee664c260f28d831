// The places of a source file where a small change must be noticed by a test, and the changes.
//
// TypeScript and AssemblyScript share their syntax, so one parser serves both. Types, imports and declarations of types
// are left alone, and so are assertions of the core: its release build has none.

import { parse } from '@babel/parser';

export interface Mutant {
  /** Root-relative. */
  file: string;
  /** From 1. */
  line: number;
  /** The line's text, trimmed: what an entry in equivalent.json is found by. */
  text: string;
  start: number;
  end: number;
  original: string;
  replacement: string;
}

/** A node of the syntax tree, as far as it is looked at. */
interface Node {
  type: string;
  start: number;
  end: number;
  [key: string]: unknown;
}

type Report = (node: { start: number; end: number }, replacement: string) => void;

const OPERATORS: Record<string, string[]> = {
  '+': ['-'],
  '-': ['+'],
  '*': ['/'],
  '/': ['*'],
  '%': ['*'],
  '<<': ['>>'],
  '>>': ['<<'],
  '>>>': ['<<'],
  '&': ['|'],
  '|': ['&'],
  '^': ['&'],
  '<': ['<=', '>='],
  '<=': ['<', '>'],
  '>': ['>=', '<='],
  '>=': ['>', '<'],
  '==': ['!='],
  '!=': ['=='],
  '===': ['!=='],
  '!==': ['==='],
};
const COMPARISONS = new Set(['<', '<=', '>', '>=', '==', '!=', '===', '!==']);

const ASSIGNMENTS: Record<string, string> = {
  '+=': '-=',
  '-=': '+=',
  '*=': '/=',
  '<<=': '>>=',
  '>>=': '<<=',
  '&=': '|=',
  '|=': '&=',
  '^=': '&=',
  '??=': '=',
};

/** Methods that are replaced by another, or by what they are called on. */
const METHODS: Record<string, string | undefined> = {
  some: 'every',
  every: 'some',
  startsWith: 'endsWith',
  endsWith: 'startsWith',
  min: 'max',
  max: 'min',
  filter: undefined,
  sort: undefined,
  slice: undefined,
  reverse: undefined,
};

/** Below these nothing runs, or nothing that a test could notice. */
const LEFT_ALONE = /^(TSType|TSInterface|TSEnum|TSDeclare|TSParameter|Import|ExportAll|Decorator)/;
const TYPE_KEYS = new Set(['typeAnnotation', 'returnType', 'typeParameters', 'typeArguments', 'superTypeParameters']);

export function mutantsOf(file: string, source: string): Mutant[] {
  const isCore = file.startsWith('assembly/');
  // TypeScript has no decorated functions. A comment of the same length in their place moves nothing.
  const parseable = source.replace(/^@\w/gm, '//');
  const { program } = parse(parseable, { sourceType: 'module', plugins: ['typescript'] });
  const lines = source.split('\n');
  const mutants = new Map<string, Mutant>();
  const report: Report = ({ start, end }, replacement) => {
    const line = source.slice(0, start).split('\n').length;
    const original = source.slice(start, end);
    if (original === replacement) return;
    const text = lines[line - 1]!.trim();
    mutants.set(`${start} ${end} ${replacement}`, { file, line, text, start, end, original, replacement });
  };
  visit(program as unknown as Node, undefined, { source, isCore, report });
  return [...mutants.values()].sort((a, b) => a.start - b.start || a.end - b.end);
}

interface Context {
  source: string;
  isCore: boolean;
  report: Report;
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';

function visit(node: Node, parent: Node | undefined, context: Context): void {
  if (LEFT_ALONE.test(node.type)) return;
  if (context.isCore && isAssertion(node)) return;
  if (!isName(node, parent)) mutate(node, context);
  for (const [key, value] of Object.entries(node)) {
    if (TYPE_KEYS.has(key) && node.type !== 'TSAsExpression') continue;
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) visit(child, node, context);
  }
}

function isAssertion(node: Node): boolean {
  const call = node.type === 'ExpressionStatement' ? (node.expression as Node) : node;
  return call.type === 'CallExpression' && (call.callee as Node).name === 'assert';
}

/** Whether a literal is a name: of a module, of a property, or of a case, which type checks hold. */
function isName(node: Node, parent: Node | undefined): boolean {
  if (node.type !== 'StringLiteral' || parent === undefined) return false;
  return (
    parent.source === node || parent.key === node || parent.type === 'SwitchCase' || parent.type === 'UnaryExpression'
  );
}

function mutate(node: Node, { source, isCore, report }: Context): void {
  const text = (part: unknown) => source.slice((part as Node).start, (part as Node).end);
  const operator = node.operator as string;
  switch (node.type) {
    case 'BinaryExpression': {
      const at = operatorAt(node, source);
      for (const other of OPERATORS[operator] ?? []) report(at, other);
      break;
    }
    case 'LogicalExpression':
      if (operator !== '??') report(operatorAt(node, source), operator === '&&' ? '||' : '&&');
      report(node, `(${text(node.left)})`);
      report(node, `(${text(node.right)})`);
      break;
    case 'UnaryExpression':
      if (operator === '!' || operator === '~' || operator === '-') report(node, `(${text(node.argument)})`);
      break;
    case 'UpdateExpression': {
      const other = operator === '++' ? '--' : '++';
      report(node, node.prefix ? other + text(node.argument) : text(node.argument) + other);
      break;
    }
    case 'AssignmentExpression': {
      const other = ASSIGNMENTS[operator];
      if (other !== undefined) report(operatorAt(node, source), other);
      break;
    }
    case 'IfStatement':
    case 'ConditionalExpression':
      report(node.test as Node, 'true');
      report(node.test as Node, 'false');
      break;
    case 'WhileStatement':
    case 'ForStatement':
      if (isNode(node.test) && node.test.type !== 'BooleanLiteral') report(node.test, 'false');
      break;
    case 'ReturnStatement':
      if (!isNode(node.argument)) report(node, ';');
      else mutateTruth(node.argument, report);
      break;
    case 'ArrowFunctionExpression':
      mutateTruth(node.body as Node, report);
      break;
    case 'ExpressionStatement':
    case 'ThrowStatement':
    case 'BreakStatement':
    case 'ContinueStatement':
      report(node, ';');
      break;
    case 'NumericLiteral':
      mutateNumber(node, text(node), '', report);
      break;
    case 'BigIntLiteral':
      mutateNumber(node, text(node).slice(0, -1), 'n', report);
      break;
    case 'BooleanLiteral':
      report(node, String(!node.value));
      break;
    case 'StringLiteral':
      if (!isCore) report(node, node.value === '' ? "'mutated'" : "''");
      break;
    case 'TemplateLiteral':
      report(node, '``');
      break;
    case 'ArrayExpression':
      if ((node.elements as unknown[]).length > 0) report(node, '[]');
      break;
    case 'CallExpression':
      mutateCall(node, text, report);
      break;
    case 'OptionalMemberExpression':
      if (node.optional) report(node, `${text(node.object)}.${text(node.property)}`);
      break;
  }
}

/** Where the operator of two operands stands. */
function operatorAt(node: Node, source: string): { start: number; end: number } {
  const operator = node.operator as string;
  const start = source.indexOf(operator, (node.left as Node).end);
  return { start, end: start + operator.length };
}

/** A comparison, or what is made of some, becomes what it would be if it always held, or never. */
function mutateTruth(node: Node, report: Report): void {
  const { type, operator } = node;
  const isTruth =
    (type === 'BinaryExpression' && COMPARISONS.has(operator as string)) ||
    (type === 'LogicalExpression' && operator !== '??') ||
    (type === 'UnaryExpression' && operator === '!');
  if (!isTruth) return;
  report(node, 'true');
  report(node, 'false');
}

function mutateNumber(node: Node, digits: string, suffix: string, report: Report): void {
  const value = BigInt(digits.replaceAll('_', ''));
  report(node, `${value + 1n}${suffix}`);
  if (value > 0n) report(node, `${value - 1n}${suffix}`);
}

function mutateCall(node: Node, text: (part: unknown) => string, report: Report): void {
  const callee = node.callee as Node;
  if (callee.type !== 'MemberExpression') return;
  const name = (callee.property as Node).name as string;
  if (!Object.hasOwn(METHODS, name)) return;
  const other = METHODS[name];
  if (other === undefined) report(node, text(callee.object));
  else report(callee.property as Node, other);
}
