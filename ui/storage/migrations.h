// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"

#include <QString>
#include <QVector>

namespace ui {

class Database;

struct Migration {
    int version = 0; // what the database has afterwards
    QString name;
    QByteArray sql;
};

// The numbered files of resources/migrations, in order, without gaps.
[[nodiscard]] QVector<Migration> migrations();

// Brings the database to the newest version, each step in a transaction of its own. A database that holds something
// is first copied to `backupFolder`. Errors name the step; the database is then as it was before that step.
engine::Status migrate(Database &database, const QVector<Migration> &steps, const QString &backupFolder);

} // namespace ui
