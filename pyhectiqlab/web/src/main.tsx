// The program: it finds out who is logged in, and shows the page of the address.

import { render } from 'preact';
import { at } from './base/root';
import { ComparePage } from './pages/compare';
import { LoginPage } from './pages/login';
import { ProjectsPage } from './pages/projects';
import { RunPage } from './pages/run';
import { RunsPage } from './pages/runs';
import { interceptLinks, useRoute } from './state/router';
import { startSession, user } from './state/session';
import { useStore } from './state/store';
import { Empty } from './widgets/basics';
import { later } from './widgets/later';
import { Overlays } from './widgets/overlays';
import { ConnectionLine, Shell } from './widgets/shell';
import { showTexts } from './widgets/texts';

// Few readers open these pages, so each is loaded when it is opened.
const AccountPage = later(() => import('./pages/account').then((its) => its.AccountPage));
const AdminPage = later(() => import('./pages/admin').then((its) => its.AdminPage));
const CommandPage = later(() => import('./pages/command').then((its) => its.CommandPage));
const InvitePage = later(() => import('./pages/invite').then((its) => its.InvitePage));
const MembersPage = later(() => import('./pages/members').then((its) => its.MembersPage));
const RegistryPage = later(() => import('./pages/registry').then((its) => its.RegistryPage));
const SettingsPage = later(() => import('./pages/settings').then((its) => its.SettingsPage));
const VersionPage = later(() => import('./pages/version').then((its) => its.VersionPage));

function App() {
  const who = useStore(user);
  return (
    <>
      <Page />
      {who && <Overlays />}
    </>
  );
}

function Page() {
  const route = useRoute();
  const who = useStore(user);
  if (route.page === 'login') return <LoginPage next={route.next} problem={route.problem} />;
  if (route.page === 'invite') return <InvitePage />;
  if (!who) return <ConnectionLine />; // not known yet, or the login page comes next
  switch (route.page) {
    case 'projects':
      return <ProjectsPage key={route.show} show={route.show} />;
    case 'runs':
      return <RunsPage key={route.project} route={route} />;
    case 'run':
      return <RunPage key={route.run} route={route} />;
    case 'registry':
      if (route.name === null) return <RegistryPage route={route} />;
      return <VersionPage key={`${route.kind}/${route.name}`} route={{ ...route, name: route.name }} />;
    case 'compare':
      return <ComparePage route={route} />;
    case 'account':
      return <AccountPage />;
    case 'command':
      return <CommandPage key={route.code} code={route.code} />;
    case 'admin':
      return <AdminPage tab={route.tab} />;
    case 'members':
      return <MembersPage key={route.project} project={route.project} />;
    case 'settings':
      return <SettingsPage key={route.project} project={route.project} />;
    case 'missing':
      return (
        <Shell crumbs={[]} title="Not found">
          <Empty title="There is no such page">
            <p><code>{route.path}</code> leads nowhere in this lab.</p>
            <p><a class="button" href={at('/')}>All projects</a></p>
          </Empty>
        </Shell>
      );
  }
}

const root = document.getElementById('app')!;
showTexts();
interceptLinks(root);
startSession();
render(<App />, root);
