import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
  globalIgnores(['**/dist/', '**/gen/', '**/node_modules/', '.godwit/', 'coverage/']),
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    // One program over sources and tests, in which workspace packages are their sources: nothing has to be built before.
    languageOptions: { parserOptions: { project: './tsconfig.tests.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // Adapters of asynchronous ports are often synchronous inside.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      eqeqeq: 'error',
      'max-params': ['error', 3],
      'no-empty': 'error',
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'exit', message: 'Set process.exitCode and let the process end.' },
      ],
    },
  },
  {
    files: ['{libs,services}/*/src/**/*.ts', 'analytics/src/**/*.ts', 'deploy/local/src/**/*.ts'],
    rules: {
      'max-lines': ['error', { max: 400 }],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    // commander hands an action its arguments, its options and itself.
    files: ['libs/cli/src/commands/*.ts'],
    rules: { 'max-params': ['error', 4] },
  },
  {
    // Only config.ts reads the environment; the rest gets what it needs.
    files: ['services/*/src/**/*.ts'],
    ignores: ['services/*/src/config.ts', 'services/*/src/main.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'exit', message: 'Set process.exitCode and let the process end.' },
        { object: 'process', property: 'env', message: 'Only config.ts reads the environment.' },
      ],
    },
  },
  {
    // Rules know nothing of transport, storage or logging (STYLE: domain is pure).
    files: ['services/*/src/domain/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: ['@grpc/*', 'mongodb', 'ioredis', '@nats-io/*', 'pino', '@godwit/proto/*', '@godwit/rpc/*'],
              message: 'The domain imports no transport, driver or generated code.',
            },
            {
              group: [
                '@godwit/mongo/*',
                '@godwit/redis/*',
                '@godwit/bus/*',
                '@godwit/runtime/logger',
                'uWebSockets.js',
              ],
              message: 'The domain declares a port; an adapter implements it.',
            },
          ],
        },
      ],
    },
  },
  {
    files: ['{libs,services}/*/test/**/*.ts', 'analytics/test/**/*.ts', 'tests/**/*.ts', 'deploy/local/test/**/*.ts'],
    rules: {
      // Fakes at ports implement what a test needs of an interface.
      '@typescript-eslint/unbound-method': 'off',
    },
  },
);
