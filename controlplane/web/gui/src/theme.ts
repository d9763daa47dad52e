/** Colours, type and density. Everything else takes its look from here. */
import { createTheme } from '@mui/material/styles';
import type {} from '@mui/x-data-grid/themeAugmentation';

/** Raw SIP and Call-IDs. */
export const MONO = 'ui-monospace, "JetBrains Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace';

export const theme = createTheme({
  cssVariables: { colorSchemeSelector: 'data-mode' },
  colorSchemes: {
    light: {
      palette: {
        primary: { main: '#0f5fb8' },
        success: { main: '#1b7a4a' },
        warning: { main: '#a35c00' },
        info: { main: '#0268a8' },
        error: { main: '#bf2b2b' },
        background: { default: '#f4f6f8', paper: '#ffffff' },
        text: { primary: '#17202a', secondary: '#556270' },
        divider: '#dde2e8',
      },
    },
    dark: {
      palette: {
        primary: { main: '#6cb2ff' },
        success: { main: '#58c08a' },
        warning: { main: '#e3a548' },
        error: { main: '#f07f7a' },
        background: { default: '#0e1318', paper: '#161d24' },
        text: { primary: '#e3e9ef', secondary: '#95a3b1' },
        divider: '#2a343f',
      },
    },
  },
  shape: { borderRadius: 5 },
  spacing: 8,
  typography: {
    fontFamily: '"Inter Variable", system-ui, -apple-system, "Segoe UI", Roboto, sans-serif',
    fontSize: 13,
    htmlFontSize: 16,
    h1: { fontSize: '1.15rem', fontWeight: 640, letterSpacing: '-0.01em' },
    h2: { fontSize: '0.84rem', fontWeight: 620 },
    body1: { fontSize: '0.82rem' },
    body2: { fontSize: '0.78rem' },
    caption: { fontSize: '0.715rem', lineHeight: 1.35 },
    button: { textTransform: 'none', fontWeight: 560, fontSize: '0.79rem' },
  },
  components: {
    MuiCssBaseline: {
      styleOverrides: {
        body: { fontVariantNumeric: 'tabular-nums', overflowY: 'scroll' },
        'a:not([class])': { color: 'var(--mui-palette-primary-main)' },
        ':focus-visible': { outline: '2px solid var(--mui-palette-primary-main)', outlineOffset: 1 },
        '@media (prefers-reduced-motion: reduce)': { '*': { transition: 'none !important', animation: 'none !important' } },
      },
    },
    MuiButtonBase: { defaultProps: { disableRipple: true } },
    MuiButton: { defaultProps: { size: 'small', disableElevation: true } },
    MuiIconButton: { defaultProps: { size: 'small' } },
    MuiTextField: { defaultProps: { size: 'small' } },
    MuiFormControl: { defaultProps: { size: 'small' } },
    MuiSelect: { defaultProps: { size: 'small' } },
    MuiInputBase: { styleOverrides: { root: { fontSize: '0.82rem' } } },
    MuiInputLabel: { styleOverrides: { root: { fontSize: '0.82rem' } } },
    MuiMenuItem: { defaultProps: { dense: true } },
    MuiPaper: { defaultProps: { elevation: 0 }, styleOverrides: { root: { backgroundImage: 'none' } } },
    MuiTooltip: { defaultProps: { arrow: true, describeChild: true, enterDelay: 350, disableInteractive: false } },
    MuiTab: { styleOverrides: { root: { minHeight: 36, padding: '6px 12px' } } },
    MuiTabs: { styleOverrides: { root: { minHeight: 36 } } },
    MuiTableCell: {
      styleOverrides: {
        root: { padding: '4px 10px', fontSize: '0.78rem', borderColor: 'var(--mui-palette-divider)' },
        head: { fontWeight: 560, color: 'var(--mui-palette-text-secondary)', fontSize: '0.715rem' },
      },
    },
    MuiDataGrid: {
      styleOverrides: {
        root: { border: 0, fontSize: '0.78rem', fontVariantNumeric: 'tabular-nums', '--DataGrid-overlayHeight': '220px' },
        columnHeaderTitle: { fontWeight: 560, fontSize: '0.715rem', color: 'var(--mui-palette-text-secondary)' },
        cell: { '&:focus, &:focus-within': { outlineOffset: -2 } },
      },
    },
  },
});
