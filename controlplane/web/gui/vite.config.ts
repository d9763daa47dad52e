import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { mock } from './dev/mock.ts';

/** With TANDEM_URL set the development server talks to a running control plane, else to the mock in dev/. */
const target = process.env.TANDEM_URL;

export default defineConfig({
  plugins: [react(), ...(target ? [] : [mock()])],
  server: { host: '127.0.0.1', proxy: target ? { '/api': { target, changeOrigin: true } } : undefined },
  // The built pages under the policy that the control plane sets.
  preview: { host: '127.0.0.1', headers: { 'content-security-policy': "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'" } },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
    chunkSizeWarningLimit: 600,
  },
  // A busy machine takes its time; a test that passes does not wait for this.
  test: { include: ['tests/**/*.test.ts'], testTimeout: 120_000, hookTimeout: 120_000, teardownTimeout: 60_000 },
} as Parameters<typeof defineConfig>[0]);
