// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/migrations.h"

#include "storage/database.h"

#include <QDateTime>
#include <QDir>
#include <QFile>

#include <algorithm>

static void initMigrationResources()
{
    Q_INIT_RESOURCE(migrations); // a static library's resources are not found by themselves
}

namespace ui {

using engine::Done;
using engine::Error;
using engine::ErrorCode;
using engine::Status;

QVector<Migration> migrations()
{
    initMigrationResources();
    QVector<Migration> steps;
    const QDir folder(QStringLiteral(":/migrations"));
    const QStringList files = folder.entryList({QStringLiteral("*.sql")}, QDir::Files, QDir::Name);
    for (const QString &name : files) {
        QFile file(folder.filePath(name));
        if (file.open(QIODevice::ReadOnly))
            steps += Migration{name.left(4).toInt(), name, file.readAll()};
    }
    return steps;
}

namespace {

Status backUp(Database &database, int version, const QString &folder)
{
    if (!QDir().mkpath(folder))
        return Error{ErrorCode::Storage, "the backup folder cannot be made"};
    const QString stamp = QDateTime::currentDateTimeUtc().toString(QStringLiteral("yyyyMMdd-HHmmss-zzz"));
    const QString file = QDir(folder).filePath(QStringLiteral("diptych-v%1-%2.db").arg(version).arg(stamp));
    Statement copy(database.handle(), "VACUUM INTO ?");
    return copy.bind(file).run();
}

Status runStep(Database &database, const Migration &step)
{
    ENGINE_CHECK(database.execute("BEGIN IMMEDIATE"));
    Status done = database.execute(step.sql);
    if (done.ok())
        done = database.execute("PRAGMA user_version = " + QByteArray::number(step.version));
    if (done.ok())
        done = database.execute("COMMIT");
    if (!done.ok() && database.isInTransaction())
        (void)database.execute("ROLLBACK");
    return done;
}

} // namespace

Status migrate(Database &database, const QVector<Migration> &steps, const QString &backupFolder)
{
    const int version = database.version();
    const bool outdated = std::any_of(steps.begin(), steps.end(),
        [version](const Migration &step) { return step.version > version; });
    if (!outdated)
        return Done{};
    if (version > 0)
        ENGINE_CHECK(backUp(database, version, backupFolder));
    for (const Migration &step : steps) {
        if (step.version <= version)
            continue;
        const Status done = runStep(database, step);
        if (!done.ok())
            return Error{ErrorCode::Storage, step.name.toStdString() + ": " + done.error().message};
    }
    return Done{};
}

} // namespace ui
