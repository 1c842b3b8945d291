BEGIN TRANSACTION;
CREATE TABLE api_keys (
	id TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	revoked DOUBLE, 
	PRIMARY KEY (id), 
	FOREIGN KEY(user_id) REFERENCES users (id), 
	UNIQUE (hash)
);
INSERT INTO "api_keys" VALUES('4b9d4213bae9cf40','2dab4978','profile local on node1','d06022fc208b4b022653abf0f6799d3b93a4ca763e46c1bde3b7e0769cd5ba25',1.79544534205902647965e+09,NULL);
CREATE TABLE events (
	id INTEGER NOT NULL, 
	run_id TEXT NOT NULL, 
	writer TEXT NOT NULL, 
	seq BIGINT NOT NULL, 
	kind TEXT NOT NULL, 
	time DOUBLE NOT NULL, 
	rank INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	fields BLOB NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "events" VALUES(1,'fcb583dcb1aa','abababababababababababababababab',4,'config',1.79544534240566611288e+09,0,1,X'81A676616C75657381A26C72CB3FB999999999999A');
INSERT INTO "events" VALUES(2,'fcb583dcb1aa','abababababababababababababababab',5,'tag',1.79544534240566706654e+09,0,1,X'83A46E616D65A174A5636F6C6F72C0AB6465736372697074696F6EC0');
CREATE TABLE lab (
	"key" TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "lab" VALUES('generation','f2bfafb9632b5f5f');
CREATE TABLE login_links (
	hash TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	expires DOUBLE NOT NULL, 
	used DOUBLE, 
	PRIMARY KEY (hash), 
	FOREIGN KEY(user_id) REFERENCES users (id)
);
INSERT INTO "login_links" VALUES('68e1b7cc0d18e6efb7a42646c3eb385ad5983b4c0bab48280c6be5540301483b','2dab4978',1.7954453420669317246e+09,1.79544624206693172454e+09,NULL);
CREATE TABLE migrations (
	version INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	applied DOUBLE NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "migrations" VALUES(1,'first tables',1.79544534162963747973e+09);
CREATE TABLE projects (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	created_by TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name), 
	FOREIGN KEY(created_by) REFERENCES users (id)
);
INSERT INTO "projects" VALUES('1425e735','old',1.79544534231759405134e+09,'2dab4978');
CREATE TABLE run_meta (
	run_id TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	value BLOB NOT NULL, 
	PRIMARY KEY (run_id, "key"), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
CREATE TABLE run_tags (
	run_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	color TEXT, 
	description TEXT, 
	PRIMARY KEY (run_id, name), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "run_tags" VALUES('fcb583dcb1aa','t',NULL,NULL);
CREATE TABLE runs (
	id TEXT NOT NULL, 
	project_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	author_id TEXT NOT NULL, 
	state TEXT NOT NULL, 
	script_state TEXT NOT NULL, 
	found TEXT, 
	lost BOOLEAN NOT NULL, 
	created DOUBLE NOT NULL, 
	started DOUBLE, 
	ended DOUBLE, 
	attempt INTEGER NOT NULL, 
	last_activity DOUBLE NOT NULL, 
	note TEXT NOT NULL, 
	points BIGINT NOT NULL, 
	config BLOB, 
	deleted DOUBLE, 
	purged DOUBLE, 
	PRIMARY KEY (id), 
	FOREIGN KEY(project_id) REFERENCES projects (id), 
	FOREIGN KEY(author_id) REFERENCES users (id)
);
INSERT INTO "runs" VALUES('fcb583dcb1aa','1425e735','kept','2dab4978','running','running',NULL,0,1.79544534231759405134e+09,1.79544534231759405134e+09,NULL,1,1.79544534241509580615e+09,'',3,X'81A26C72CB3FB999999999999A',NULL,NULL);
CREATE TABLE sessions (
	session TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	rank INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	user_id TEXT NOT NULL, 
	restart TEXT, 
	world_size INTEGER NOT NULL, 
	host TEXT NOT NULL, 
	pid BIGINT NOT NULL, 
	client_version TEXT NOT NULL, 
	sets_state BOOLEAN NOT NULL, 
	started DOUBLE NOT NULL, 
	last_seen DOUBLE NOT NULL, 
	ended DOUBLE, 
	state TEXT, 
	cause TEXT NOT NULL, 
	exit_code BIGINT, 
	signal INTEGER, 
	detail TEXT NOT NULL, 
	end_is_final BOOLEAN NOT NULL, 
	skew DOUBLE NOT NULL, 
	backlog BIGINT NOT NULL, 
	losses BLOB, 
	PRIMARY KEY (session, run_id, rank, attempt), 
	FOREIGN KEY(run_id) REFERENCES runs (id), 
	FOREIGN KEY(user_id) REFERENCES users (id)
);
INSERT INTO "sessions" VALUES('5e551011','fcb583dcb1aa',0,1,'2dab4978',NULL,1,'',0,'',1,1.79544534231759405134e+09,1.79544534231759405134e+09,NULL,NULL,'',NULL,NULL,'',0,0.0,0,NULL);
CREATE TABLE users (
	id TEXT NOT NULL, 
	username TEXT NOT NULL, 
	role TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	password_hash TEXT, 
	PRIMARY KEY (id), 
	UNIQUE (username)
);
INSERT INTO "users" VALUES('2dab4978','alice','owner',1.79544534203814983366e+09,NULL);
CREATE TABLE web_sessions (
	hash TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	csrf TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	expires DOUBLE NOT NULL, 
	PRIMARY KEY (hash), 
	FOREIGN KEY(user_id) REFERENCES users (id)
);
CREATE TABLE writers (
	writer TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	rank INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	cursor BIGINT NOT NULL, 
	last_seen DOUBLE NOT NULL, 
	losses BLOB, 
	PRIMARY KEY (writer), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "writers" VALUES('abababababababababababababababab','fcb583dcb1aa',0,1,5,1.79544534241509580615e+09,NULL);
CREATE INDEX runs_author ON runs (author_id);
CREATE INDEX runs_created ON runs (created);
CREATE UNIQUE INDEX runs_name ON runs (project_id, name) WHERE deleted IS NULL;
CREATE INDEX sessions_run ON sessions (run_id, rank);
CREATE INDEX writers_run ON writers (run_id, writer);
CREATE INDEX events_run ON events (run_id, id);
CREATE INDEX events_kind ON events (run_id, kind, id);
CREATE UNIQUE INDEX events_writer ON events (writer, seq);
COMMIT;
