/** The frame around every screen: menu, search, time zone, look, who is logged in, and whether figures are live. */
import { useCallback, useRef, useState, type ReactNode } from 'react';
import { AppBar, Box, Divider, Drawer, IconButton, Link as Anchor, List, ListItemButton, ListItemIcon, ListItemText, Menu, MenuItem, ToggleButton, ToggleButtonGroup, Toolbar, Tooltip, Typography, useColorScheme } from '@mui/material';
import MenuIcon from '@mui/icons-material/Menu';
import Dashboard from '@mui/icons-material/SpeedOutlined';
import Calls from '@mui/icons-material/PhoneInTalkOutlined';
import Carriers from '@mui/icons-material/BusinessOutlined';
import Balances from '@mui/icons-material/AccountBalanceOutlined';
import Rates from '@mui/icons-material/PriceChangeOutlined';
import Check from '@mui/icons-material/CompareArrowsOutlined';
import Routing from '@mui/icons-material/AltRouteOutlined';
import Simulate from '@mui/icons-material/PlayCircleOutlined';
import Cdrs from '@mui/icons-material/ReceiptLongOutlined';
import StatisticsIcon from '@mui/icons-material/BarChartOutlined';
import LatencyIcon from '@mui/icons-material/TimelineOutlined';
import Nodes from '@mui/icons-material/DnsOutlined';
import ClusterIcon from '@mui/icons-material/HubOutlined';
import SystemIcon from '@mui/icons-material/SettingsOutlined';
import LightMode from '@mui/icons-material/LightModeOutlined';
import DarkMode from '@mui/icons-material/DarkModeOutlined';
import HelpIcon from '@mui/icons-material/HelpOutlineOutlined';
import Person from '@mui/icons-material/PersonOutlined';
import { Link, useLocation } from 'wouter';
import { remember, useZone } from '../common/place';
import { zoneName } from '../common/format';
import { useKeys } from './keys';
import { Help } from './Help';
import { SearchBox } from './SearchBox';
import { LiveDot } from './LiveDot';
import { useStream } from '../api/live';

const WIDTH = 172;

const MENU = [
  { href: '/', name: 'Overview', icon: <Dashboard /> },
  { href: '/calls', name: 'Calls', icon: <Calls /> },
  { href: '/carriers', name: 'Carriers', icon: <Carriers /> },
  { href: '/balances', name: 'Balances', icon: <Balances /> },
  { href: '/rates', name: 'Rates', icon: <Rates /> },
  { href: '/rates/check', name: 'Rate check', icon: <Check />, inner: true },
  { href: '/routing', name: 'Routing', icon: <Routing /> },
  { href: '/routing/simulate', name: 'Simulate', icon: <Simulate />, inner: true },
  { href: '/cdrs', name: 'CDRs', icon: <Cdrs /> },
  { href: '/statistics', name: 'Statistics', icon: <StatisticsIcon /> },
  { href: '/latency', name: 'Latency', icon: <LatencyIcon /> },
  { href: '/nodes', name: 'Nodes', icon: <Nodes /> },
  { href: '/nodes/cluster', name: 'Cluster', icon: <ClusterIcon />, inner: true },
  { href: '/system', name: 'System', icon: <SystemIcon /> },
];

function current(path: string): string {
  const fits = MENU.filter((item) => path === item.href || (item.href !== '/' && path.startsWith(`${item.href}/`)));
  return fits.sort((a, b) => b.href.length - a.href.length)[0]?.href ?? '/';
}

function Places({ onGo }: { onGo?: () => void }) {
  const [path] = useLocation();
  const here = current(path);
  return (
    <List dense component="nav" aria-label="Screens" sx={{ px: 1, py: 1 }}>
      {MENU.map((item) => (
        <ListItemButton
          key={item.href}
          component={Link}
          href={item.href}
          selected={here === item.href}
          aria-current={here === item.href ? 'page' : undefined}
          onClick={onGo}
          sx={{ borderRadius: 1, mb: 0.25, py: 0.35, pl: item.inner ? 3.5 : 1.25, color: 'text.primary', '&.Mui-selected': { color: 'primary.main' } }}
        >
          <ListItemIcon sx={{ minWidth: 28, color: 'inherit', opacity: 0.8, '& svg': { fontSize: item.inner ? 16 : 18 } }}>{item.icon}</ListItemIcon>
          <ListItemText primary={item.name} slotProps={{ primary: { sx: { fontSize: '0.82rem', fontWeight: here === item.href ? 620 : 500 } } }} />
        </ListItemButton>
      ))}
    </List>
  );
}

function Brand() {
  return (
    <Box component={Link} href="/" sx={{ display: 'flex', alignItems: 'center', gap: 1, color: 'text.primary', textDecoration: 'none', px: 2, height: 48 }}>
      <img src="/tandem.svg" alt="" width={22} height={22} />
      <Typography component="span" sx={{ fontWeight: 700, fontSize: '0.98rem', letterSpacing: '-0.02em' }}>Tandem</Typography>
    </Box>
  );
}

function ZoneSwitch() {
  const zone = useZone();
  return (
    <Tooltip title={`Times are shown in ${zoneName(zone)}`}>
      <ToggleButtonGroup exclusive size="small" value={zone} onChange={(_, next: string | null) => next && remember('zone', next)} aria-label="Time zone" sx={{ '& button': { px: 1, py: 0.15, fontSize: '0.7rem', textTransform: 'none' } }}>
        <ToggleButton value="utc">UTC</ToggleButton>
        <ToggleButton value="local">Local</ToggleButton>
      </ToggleButtonGroup>
    </Tooltip>
  );
}

function LookSwitch() {
  const { mode, systemMode, setMode } = useColorScheme();
  const dark = (mode === 'system' ? systemMode : mode) === 'dark';
  return (
    <Tooltip title={dark ? 'Light' : 'Dark'}>
      <IconButton aria-label={dark ? 'Use the light look' : 'Use the dark look'} onClick={() => setMode(dark ? 'light' : 'dark')}>
        {dark ? <LightMode fontSize="small" /> : <DarkMode fontSize="small" />}
      </IconButton>
    </Tooltip>
  );
}

function Account({ user, onLogout }: { user: string; onLogout: () => void }) {
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  return (
    <>
      <Tooltip title={user}>
        <IconButton aria-label="Account" onClick={(event) => setAnchor(event.currentTarget)}><Person fontSize="small" /></IconButton>
      </Tooltip>
      <Menu anchorEl={anchor} open={anchor !== null} onClose={() => setAnchor(null)}>
        <MenuItem disabled>{user}</MenuItem>
        <Divider />
        <MenuItem component={Link} href="/system" onClick={() => setAnchor(null)}>Users and API keys</MenuItem>
        <MenuItem component={Anchor} href="/api/docs" target="_blank" rel="noreferrer">API reference</MenuItem>
        <MenuItem onClick={onLogout}>Log out</MenuItem>
      </Menu>
    </>
  );
}

/** The frame. */
export function Shell({ user, login, onLogout, children }: { user: string; login: number; onLogout: () => void; children: ReactNode }) {
  const [, go] = useLocation();
  const [help, setHelp] = useState(false);
  const [drawer, setDrawer] = useState(false);
  const search = useRef<HTMLInputElement>(null);
  useStream(login);
  useKeys({ go, search: useCallback(() => search.current?.focus(), []), help: useCallback(() => setHelp(true), []) });
  return (
    <Box sx={{ display: 'flex', minHeight: '100vh' }}>
      <Box component="aside" aria-label="Sections" sx={{ width: WIDTH, flexShrink: 0, borderRight: 1, borderColor: 'divider', bgcolor: 'background.paper', display: { xs: 'none', md: 'block' }, position: 'sticky', top: 0, height: '100vh' }}>
        <Brand />
        <Places />
      </Box>
      <Drawer open={drawer} onClose={() => setDrawer(false)} sx={{ display: { md: 'none' } }} slotProps={{ paper: { sx: { width: 220 } } }}>
        <Brand />
        <Places onGo={() => setDrawer(false)} />
      </Drawer>
      <Box sx={{ flex: 1, minWidth: 0, display: 'flex', flexDirection: 'column' }}>
        <AppBar position="sticky" color="inherit" elevation={0} sx={{ bgcolor: 'background.paper', borderBottom: 1, borderColor: 'divider' }}>
          <Toolbar variant="dense" disableGutters sx={{ px: { xs: 1, md: 2 }, gap: 1, minHeight: 48 }}>
            <IconButton aria-label="Menu" onClick={() => setDrawer(true)} sx={{ display: { md: 'none' } }}><MenuIcon fontSize="small" /></IconButton>
            <SearchBox inputRef={search} />
            <Box sx={{ flex: 1 }} />
            <LiveDot />
            <Box sx={{ display: { xs: 'none', sm: 'block' } }}><ZoneSwitch /></Box>
            <LookSwitch />
            <Tooltip title="Keys (?)">
              <IconButton aria-label="Keys" onClick={() => setHelp(true)} sx={{ display: { xs: 'none', sm: 'inline-flex' } }}><HelpIcon fontSize="small" /></IconButton>
            </Tooltip>
            <Account user={user} onLogout={onLogout} />
          </Toolbar>
        </AppBar>
        <Box component="main" sx={{ flex: 1, minWidth: 0, p: { xs: 1, md: 2 } }}>{children}</Box>
      </Box>
      <Help open={help} onClose={() => setHelp(false)} />
    </Box>
  );
}
