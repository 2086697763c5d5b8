import preact from "@preact/preset-vite";
import { defineConfig } from "vitest/config";

export default defineConfig({
  // The page is at `/`, beside the paths of Photon Ranch; what it loads is in a folder that none of those has.
  base: "/console/",
  plugins: [preact()],
  build: {
    outDir: "../session-api/src/session_api/console/pages",
    emptyOutDir: true,
    // Content-Security-Policy allows no inline script and no data: address.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
  // `npm run dev` asks a system that runs beside it.
  server: { proxy: { "/api": { target: process.env["DATALAB_API_URL"] ?? "http://127.0.0.1:8000", ws: true } } },
  test: { environment: "happy-dom", include: ["tests/**/*.test.{ts,tsx}"] },
});
