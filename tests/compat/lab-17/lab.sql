BEGIN TRANSACTION;
CREATE TABLE api_keys (
	id TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	revoked DOUBLE, 
	expires DOUBLE, 
	last_used DOUBLE, 
	PRIMARY KEY (id), 
	FOREIGN KEY(user_id) REFERENCES users (id), 
	UNIQUE (hash)
);
INSERT INTO "api_keys" VALUES('ae07d495411fbc25','906381a2','profile local on gpu-7','c2039653a1f781be7d3aaa0047c00121c236d75d75db614ab8c8488c727f0e51',1.79605140303905463222e+09,NULL,NULL,NULL);
CREATE TABLE artifacts (
	id TEXT NOT NULL, 
	run_id TEXT, 
	project_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	step BIGINT, 
	version INTEGER NOT NULL, 
	newest BOOLEAN NOT NULL, 
	digest TEXT NOT NULL, 
	bytes BIGINT NOT NULL, 
	kind TEXT NOT NULL, 
	meta BLOB NOT NULL, 
	author_id TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(run_id) REFERENCES runs (id), 
	FOREIGN KEY(project_id) REFERENCES projects (id), 
	FOREIGN KEY(digest) REFERENCES blobs (digest), 
	FOREIGN KEY(author_id) REFERENCES users (id)
);
INSERT INTO "artifacts" VALUES('bcb478599d84199224fa1c359b9fefe0','865a88836fbb','213e058e','notes.txt',NULL,1,1,'78051faade059d70866df6a3fb83ef348721fd74a87e93ef95c493f87d0d236b',5,'file',X'80','906381a2',1.79605140549853396414e+09);
CREATE TABLE attempt_configs (
	run_id TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	config BLOB NOT NULL, 
	PRIMARY KEY (run_id, attempt), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "attempt_configs" VALUES('865a88836fbb',1,X'82A26C72CB3FB999999999999AA56D6F64656C81A66C617965727302');
CREATE TABLE audit (
	id INTEGER NOT NULL, 
	at DOUBLE NOT NULL, 
	who TEXT NOT NULL, 
	via TEXT NOT NULL, 
	address TEXT NOT NULL, 
	action TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "audit" VALUES(1,1.79605140489592170717e+09,'ann','key profile local on gpu-7','127.0.0.1','made','project old','');
CREATE TABLE blobs (
	digest TEXT NOT NULL, 
	bytes BIGINT NOT NULL, 
	used DOUBLE NOT NULL, 
	PRIMARY KEY (digest)
);
INSERT INTO "blobs" VALUES('78051faade059d70866df6a3fb83ef348721fd74a87e93ef95c493f87d0d236b',5,1.79605140648683285712e+09);
CREATE TABLE config_parts (
	run_id TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	part INTEGER NOT NULL, 
	told BLOB NOT NULL, 
	PRIMARY KEY (run_id, attempt, part), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
CREATE TABLE config_values (
	run_id TEXT NOT NULL, 
	path TEXT NOT NULL, 
	number DOUBLE, 
	text TEXT NOT NULL, 
	PRIMARY KEY (run_id, path), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
)
 WITHOUT ROWID

;
INSERT INTO "config_values" VALUES('865a88836fbb','lr',0.1,'0.1');
INSERT INTO "config_values" VALUES('865a88836fbb','model.layers',2.0,'2');
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
INSERT INTO "events" VALUES(1,'865a88836fbb','008d23c366054682fbf32e0465a645a0',1,'config',1796051405.47804,0,1,X'81A676616C75657382A26C72CB3FB999999999999AA56D6F64656C81A66C617965727302');
INSERT INTO "events" VALUES(2,'865a88836fbb','008d23c366054682fbf32e0465a645a0',2,'meta',1.79605140547833299637e+09,0,1,X'82A36B6579A464617461A576616C7565A27631');
INSERT INTO "events" VALUES(3,'865a88836fbb','008d23c366054682fbf32e0465a645a0',3,'tag',1.79605140547856092451e+09,0,1,X'83A46E616D65A174AB6465736372697074696F6EC0A5636F6C6F72C0');
INSERT INTO "events" VALUES(4,'865a88836fbb','008d23c366054682fbf32e0465a645a0',4,'state',1.79605140547858691218e+09,0,1,X'81A57374617465A8747261696E696E67');
INSERT INTO "events" VALUES(5,'865a88836fbb','008d23c366054682fbf32e0465a645a0',405,'end',1.7960514055083379746e+09,0,1,X'85A57374617465A9636F6D706C65746564A56361757365A6636C6F736564A9657869745F636F6465C0A664657461696CA0A67369676E616CC0');
CREATE TABLE invites (
	id TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	role TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	created_by TEXT NOT NULL, 
	expires DOUBLE NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (hash)
);
CREATE TABLE lab (
	"key" TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "lab" VALUES('generation','346180930a1e0c8e');
INSERT INTO "lab" VALUES('id','a8973fda461c8104');
INSERT INTO "lab" VALUES('url','http://127.0.0.1:46043');
INSERT INTO "lab" VALUES('clock','{"seen": 1796051402.8818686, "steady_from": 0.0}');
CREATE TABLE login_links (
	hash TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	expires DOUBLE NOT NULL, 
	used DOUBLE, 
	PRIMARY KEY (hash), 
	FOREIGN KEY(user_id) REFERENCES users (id)
);
INSERT INTO "login_links" VALUES('c180441485b43fc3ad0d5ccc7529c7b895aaf70b406a8ef8fafa655466b53346','906381a2',1.79605140306566882137e+09,1.79605230306566882132e+09,NULL);
CREATE TABLE media (
	run_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	name TEXT NOT NULL, 
	rank INTEGER NOT NULL, 
	step BIGINT NOT NULL, 
	attempt INTEGER NOT NULL, 
	time DOUBLE NOT NULL, 
	writer TEXT, 
	seq BIGINT, 
	artifact_id TEXT, 
	PRIMARY KEY (run_id, kind, name, rank, step), 
	FOREIGN KEY(run_id) REFERENCES runs (id), 
	FOREIGN KEY(artifact_id) REFERENCES artifacts (id)
)
 WITHOUT ROWID

;
CREATE TABLE members (
	project_id TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	role TEXT NOT NULL, 
	PRIMARY KEY (project_id, user_id), 
	FOREIGN KEY(project_id) REFERENCES projects (id), 
	FOREIGN KEY(user_id) REFERENCES users (id)
);
INSERT INTO "members" VALUES('213e058e','906381a2','admin');
CREATE TABLE migrations (
	version INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	applied DOUBLE NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "migrations" VALUES(1,'first tables',1.79605140111665201188e+09);
INSERT INTO "migrations" VALUES(2,'files and artifacts',1.79605140112546277043e+09);
INSERT INTO "migrations" VALUES(3,'models and datasets',1.79605140112592339511e+09);
INSERT INTO "migrations" VALUES(4,'states of ranks',1.79605140112616443637e+09);
INSERT INTO "migrations" VALUES(5,'values of configs',1.79605140112628054618e+09);
INSERT INTO "migrations" VALUES(6,'aliases of versions',1.79605140112650203711e+09);
INSERT INTO "migrations" VALUES(7,'media',1.79605140112660241124e+09);
INSERT INTO "migrations" VALUES(8,'notices',1.79605140112670207024e+09);
INSERT INTO "migrations" VALUES(9,'roles',1.79605140114891624449e+09);
INSERT INTO "migrations" VALUES(10,'retention',1796051401.15);
INSERT INTO "migrations" VALUES(11,'list of runs',1.79605140115011310581e+09);
INSERT INTO "migrations" VALUES(12,'id of the lab',1.79605140115020895002e+09);
INSERT INTO "migrations" VALUES(13,'configs of attempts',1.79605140115031504627e+09);
INSERT INTO "migrations" VALUES(14,'meta of attempts',1.79605140116387605665e+09);
INSERT INTO "migrations" VALUES(15,'scripts of sessions',1.79605140116401386265e+09);
INSERT INTO "migrations" VALUES(16,'parts of configs',1.79605140116411781314e+09);
INSERT INTO "migrations" VALUES(17,'troubles of notices',1.79605140116421532628e+09);
CREATE TABLE notice_targets (
	id TEXT NOT NULL, 
	address TEXT NOT NULL, 
	project_id TEXT, 
	states TEXT NOT NULL, 
	secret TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	delivered DOUBLE, 
	failed DOUBLE, 
	error TEXT DEFAULT '' NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(project_id) REFERENCES projects (id)
);
CREATE TABLE notices (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	target_id TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	state TEXT NOT NULL, 
	why TEXT NOT NULL, 
	at DOUBLE NOT NULL, 
	tries INTEGER NOT NULL, 
	again_at DOUBLE NOT NULL, 
	FOREIGN KEY(target_id) REFERENCES notice_targets (id), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
CREATE TABLE projects (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	created_by TEXT NOT NULL, 
	private BOOLEAN DEFAULT '0' NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name), 
	FOREIGN KEY(created_by) REFERENCES users (id)
);
INSERT INTO "projects" VALUES('213e058e','old',1.79605140468939280511e+09,'906381a2',0);
CREATE TABLE registry_aliases (
	project_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	name TEXT NOT NULL, 
	alias TEXT NOT NULL, 
	version_id TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	set_at DOUBLE NOT NULL, 
	PRIMARY KEY (project_id, kind, name, alias), 
	FOREIGN KEY(project_id) REFERENCES projects (id), 
	FOREIGN KEY(version_id) REFERENCES registry_versions (id), 
	FOREIGN KEY(user_id) REFERENCES users (id)
);
CREATE TABLE registry_files (
	version_id TEXT NOT NULL, 
	path TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	bytes BIGINT NOT NULL, 
	PRIMARY KEY (version_id, path), 
	FOREIGN KEY(version_id) REFERENCES registry_versions (id), 
	FOREIGN KEY(digest) REFERENCES blobs (digest)
);
CREATE TABLE registry_usage (
	version_id TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	PRIMARY KEY (version_id, run_id), 
	FOREIGN KEY(version_id) REFERENCES registry_versions (id), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
CREATE TABLE registry_versions (
	id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	project_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	major INTEGER NOT NULL, 
	minor INTEGER NOT NULL, 
	micro INTEGER NOT NULL, 
	short_description TEXT NOT NULL, 
	description TEXT NOT NULL, 
	files INTEGER NOT NULL, 
	bytes BIGINT NOT NULL, 
	run_id TEXT, 
	author_id TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(project_id) REFERENCES projects (id), 
	FOREIGN KEY(run_id) REFERENCES runs (id), 
	FOREIGN KEY(author_id) REFERENCES users (id)
);
CREATE TABLE removed_artifacts (
	id TEXT NOT NULL, 
	project_id TEXT NOT NULL, 
	removed DOUBLE NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(project_id) REFERENCES projects (id)
);
CREATE TABLE run_meta (
	run_id TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	value BLOB NOT NULL, 
	PRIMARY KEY (run_id, attempt, "key"), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "run_meta" VALUES('865a88836fbb',1,'data',X'A27631');
CREATE TABLE run_states (
	run_id TEXT NOT NULL, 
	n INTEGER NOT NULL, 
	at DOUBLE NOT NULL, 
	state TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	rank INTEGER, 
	who TEXT NOT NULL, 
	why TEXT NOT NULL, 
	PRIMARY KEY (run_id, n), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "run_states" VALUES('865a88836fbb',1,1.79605140468939280511e+09,'running',1,NULL,'lab','started on gpu-7');
INSERT INTO "run_states" VALUES('865a88836fbb',2,1.7960514055086359978e+09,'training',1,NULL,'script','the script said so');
INSERT INTO "run_states" VALUES('865a88836fbb',3,1.79605140553838706022e+09,'completed',1,NULL,'process','closed');
CREATE TABLE run_tags (
	run_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	color TEXT, 
	description TEXT, 
	PRIMARY KEY (run_id, name), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "run_tags" VALUES('865a88836fbb','t',NULL,NULL);
CREATE TABLE runs (
	id TEXT NOT NULL, 
	project_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	author_id TEXT NOT NULL, 
	state TEXT NOT NULL, 
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
	state_rank INTEGER, 
	state_why TEXT DEFAULT '' NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(project_id) REFERENCES projects (id), 
	FOREIGN KEY(author_id) REFERENCES users (id)
);
INSERT INTO "runs" VALUES('865a88836fbb','213e058e','kept','906381a2','completed',1.79605140468939280511e+09,1.79605140468288326264e+09,1.79605140553838706022e+09,1,1.79605140648683285712e+09,'',400,NULL,NULL,NULL,NULL,'closed');
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
	said TEXT DEFAULT 'running' NOT NULL, 
	said_at DOUBLE DEFAULT '0' NOT NULL, 
	lost BOOLEAN DEFAULT '0' NOT NULL, 
	silent_since DOUBLE, 
	job TEXT DEFAULT '' NOT NULL, 
	script TEXT DEFAULT '' NOT NULL, 
	main BOOLEAN DEFAULT '0' NOT NULL, 
	opening INTEGER, 
	PRIMARY KEY (session, run_id, rank, attempt), 
	FOREIGN KEY(run_id) REFERENCES runs (id), 
	FOREIGN KEY(user_id) REFERENCES users (id)
);
INSERT INTO "sessions" VALUES('f3f3a64c99e3f574','865a88836fbb',0,1,'906381a2',NULL,1,'gpu-7',19383,'0.1.0',1,1.79605140468939280511e+09,1.7960514060003855228e+09,1.79605140553838706022e+09,'completed','closed',NULL,NULL,'',0,-3.00490856170654296875e-02,0,NULL,'training',1.7960514055086359978e+09,0,NULL,'','284cc975-00d7-47d5-a917-20b4e6be9568/4026531836/19383/339795',1,0);
CREATE TABLE uploads (
	id TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	bytes BIGINT NOT NULL, 
	expires DOUBLE NOT NULL, 
	finished DOUBLE, 
	PRIMARY KEY (id), 
	FOREIGN KEY(user_id) REFERENCES users (id), 
	FOREIGN KEY(digest) REFERENCES blobs (digest)
);
INSERT INTO "uploads" VALUES('190c0918007071f2b43d130cf907a309','906381a2','78051faade059d70866df6a3fb83ef348721fd74a87e93ef95c493f87d0d236b',5,1.79613780619548344614e+09,1.79605140619548344607e+09);
CREATE TABLE users (
	id TEXT NOT NULL, 
	username TEXT NOT NULL, 
	role TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	password_hash TEXT, 
	disabled DOUBLE, 
	PRIMARY KEY (id), 
	UNIQUE (username)
);
INSERT INTO "users" VALUES('906381a2','ann','owner',1.79605140297491765026e+09,NULL,NULL);
CREATE TABLE web_sessions (
	hash TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	csrf TEXT NOT NULL, 
	created DOUBLE NOT NULL, 
	expires DOUBLE NOT NULL, 
	last_used DOUBLE DEFAULT '0' NOT NULL, 
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
INSERT INTO "writers" VALUES('008d23c366054682fbf32e0465a645a0','865a88836fbb',0,1,405,1.79605140613201618195e+09,NULL);
CREATE INDEX blobs_used ON blobs (used);
CREATE INDEX uploads_user ON uploads (user_id, digest);
CREATE INDEX uploads_expires ON uploads (expires);
CREATE INDEX uploads_digest ON uploads (digest);
CREATE INDEX members_user ON members (user_id);
CREATE INDEX runs_listed ON runs (project_id, deleted, created, id);
CREATE INDEX runs_created ON runs (created);
CREATE UNIQUE INDEX runs_name ON runs (project_id, name) WHERE deleted IS NULL;
CREATE INDEX runs_author ON runs (author_id);
CREATE INDEX config_values_path ON config_values (path, number, run_id);
CREATE INDEX sessions_run ON sessions (run_id, rank);
CREATE INDEX writers_run ON writers (run_id, writer);
CREATE UNIQUE INDEX events_writer ON events (writer, seq);
CREATE INDEX events_run ON events (run_id, id);
CREATE INDEX events_kind ON events (run_id, kind, id);
CREATE INDEX artifacts_project ON artifacts (project_id, run_id, name);
CREATE INDEX artifacts_digest ON artifacts (digest);
CREATE INDEX artifacts_run ON artifacts (run_id, name);
CREATE UNIQUE INDEX registry_versions_name ON registry_versions (project_id, kind, name, major, minor, micro);
CREATE INDEX registry_versions_run ON registry_versions (run_id);
CREATE INDEX notices_again ON notices (again_at);
CREATE INDEX notices_target ON notices (target_id);
CREATE INDEX media_artifact ON media (artifact_id);
CREATE INDEX registry_files_digest ON registry_files (digest);
CREATE INDEX registry_usage_run ON registry_usage (run_id);
CREATE INDEX registry_aliases_version ON registry_aliases (version_id);
DELETE FROM "sqlite_sequence";
COMMIT;
