/** Which screen belongs to which address, and who may see it. Screens are loaded when they are first opened. */
import { Component, lazy, Suspense, type ReactNode } from 'react';
import { Alert, Button } from '@mui/material';
import { Route, Switch, useLocation } from 'wouter';
import { Empty, Waiting } from './common/Panel';
import { Shell } from './shell/Shell';
import { Login, LoginAgain } from './screens/login/Login';
import { useLogin } from './screens/login/login';

const Portal = lazy(() => import('./portal/Portal'));
const Overview = lazy(() => import('./screens/overview/Overview'));
const Calls = lazy(() => import('./screens/calls/Calls'));
const Carriers = lazy(() => import('./screens/carriers/Carriers'));
const Carrier = lazy(() => import('./screens/carriers/Carrier'));
const Check = lazy(() => import('./screens/rates/Check'));
const Balances = lazy(() => import('./screens/balances/Balances'));
const Decks = lazy(() => import('./screens/rates/Decks'));
const Deck = lazy(() => import('./screens/rates/Deck'));
const Plans = lazy(() => import('./screens/routing/Plans'));
const Plan = lazy(() => import('./screens/routing/Plan'));
const Simulate = lazy(() => import('./screens/routing/Simulate'));
const Cdrs = lazy(() => import('./screens/cdrs/Cdrs'));
const Story = lazy(() => import('./screens/story/Story'));
const Statistics = lazy(() => import('./screens/statistics/Statistics'));
const Latency = lazy(() => import('./screens/latency/Latency'));
const Nodes = lazy(() => import('./screens/nodes/Nodes'));
const Cluster = lazy(() => import('./screens/cluster/Cluster'));
const System = lazy(() => import('./screens/system/System'));
const SecondFactor = lazy(() => import('./screens/system/SecondFactor').then((module) => ({ default: module.SecondFactor })));

/** Keeps a fault of one screen from taking the frame with it. */
class Fence extends Component<{ children: ReactNode }, { fault?: Error }> {
  override state: { fault?: Error } = {};

  static getDerivedStateFromError(fault: Error) {
    return { fault };
  }

  override render() {
    if (!this.state.fault) return this.props.children;
    return (
      <Alert severity="error" variant="outlined" action={<Button color="inherit" onClick={() => window.location.reload()}>Load again</Button>}>
        <b>This screen failed.</b> {this.state.fault.message}
      </Alert>
    );
  }
}

function Screens() {
  return (
    <Suspense fallback={<Waiting />}>
      <Switch>
        <Route path="/"><Overview /></Route>
        <Route path="/calls"><Calls /></Route>
        <Route path="/carriers"><Carriers /></Route>
        <Route path="/carriers/:id">{({ id }) => <Carrier key={id} id={id} />}</Route>
        <Route path="/balances"><Balances /></Route>
        <Route path="/rates"><Decks /></Route>
        <Route path="/rates/check"><Check /></Route>
        <Route path="/rates/:id">{({ id }) => <Deck key={id} id={id} />}</Route>
        <Route path="/routing"><Plans /></Route>
        <Route path="/routing/simulate"><Simulate /></Route>
        <Route path="/routing/:id">{({ id }) => <Plan key={id} id={id} />}</Route>
        <Route path="/cdrs"><Cdrs /></Route>
        <Route path="/cdrs/:id">{({ id }) => <Story key={id} id={id} />}</Route>
        <Route path="/statistics"><Statistics /></Route>
        <Route path="/latency"><Latency /></Route>
        <Route path="/nodes"><Nodes /></Route>
        <Route path="/nodes/cluster"><Cluster /></Route>
        <Route path="/system"><System /></Route>
        <Route><Empty title="There is no such page">The address may be from another version of Tandem. Choose a screen from the menu.</Empty></Route>
      </Switch>
    </Suspense>
  );
}

/** The application: the login page, or the frame with a screen in it. */
export function App() {
  const login = useLogin();
  const [path] = useLocation();
  if (login.state === 'asking') return <Waiting />;
  if (login.state === 'out') return <Login login={login} />;
  if (login.mustProve) return <Suspense fallback={<Waiting />}><SecondFactor must hasPassword={login.hasPassword} onClose={() => void login.again()} /></Suspense>;
  if (login.isCarrier) return <Fence key={path}><Suspense fallback={<Waiting />}><Portal user={login.user} onLogout={login.leave} />{login.ended && <LoginAgain login={login} />}</Suspense></Fence>;
  return (
    <Shell key={login.user} user={login.user} login={login.times} onLogout={login.leave}>
      <Fence key={path}><Screens /></Fence>
      {login.ended && <LoginAgain login={login} />}
    </Shell>
  );
}
