// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/model_info.h"
#include "engine/result.h"

#include <QAbstractListModel>
#include <QHash>
#include <QString>
#include <QThreadPool>
#include <QVariantMap>
#include <QVector>

#include <atomic>

namespace ui {

class Settings;

struct ModelEntry {
    QString key;  // stored with conversations: "mini-vl", "mini-vl:q4_0", or the path
    QString name; // what people see: "mini-vl", "mini-vl 4-bit"
    QString path;
    QString requantize;      // as engine::LoadOptions
    bool embedded = false;   // comes with the program, cannot be removed
    bool inspected = false;  // info is real
    QString problem;         // one sentence when it cannot be used
    engine::ModelInfo info;

    [[nodiscard]] bool isUsable() const { return problem.isEmpty(); }
    // Weights plus the context's cache for `contextTokens` (0: the model's whole context).
    [[nodiscard]] quint64 memoryBytes(int contextTokens) const;
    [[nodiscard]] QString precisionName() const; // "FP8", "4-bit (Q4_0)"
};

// Models people can choose: the embedded ones first, then those added from disk. Kept in Settings.
class ModelLibrary final : public QAbstractListModel
{
    Q_OBJECT

public:
    enum Role { KeyRole = Qt::UserRole + 1, NameRole, UsableRole, ProblemRole, PrecisionRole, EmbeddedRole };

    explicit ModelLibrary(Settings &settings, QObject *parent = nullptr);
    ~ModelLibrary() override;

    [[nodiscard]] int rowCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex &index, int role) const override;

    [[nodiscard]] const QVector<ModelEntry> &entries() const { return m_entries; }
    [[nodiscard]] const ModelEntry *find(const QString &key) const; // null when it is not in the list
    [[nodiscard]] QString nameOf(const QString &key) const;         // the key's last part when it is gone
    [[nodiscard]] QString defaultKey() const;                       // the embedded picture model
    [[nodiscard]] QString secondKey() const;                        // what Compare puts beside it first: its 4-bit copy

    // What identifies the files of a model in the records of its answers: "sha256:..." over all bytes of its weights
    // when they are at most 1 GB, else "sample256:..." over sizes, both ends and evenly spread pieces. Read away from
    // the GUI thread when first asked for; empty until then.
    [[nodiscard]] QString weightsHash(const QString &key);

    // With device and threads of the settings, or as was chosen for this model.
    [[nodiscard]] engine::LoadOptions loadOptions(const QString &key) const;
    // How a model is to be loaded where the settings alone do not work: device, layers, context and packing of an offer that
    // was taken. Holds until it is forgotten or the settings name another device.
    void setChoice(const QString &key, const engine::LoadOptions &choice);
    void forgetChoice(const QString &key);
    [[nodiscard]] bool hasChoice(const QString &key) const;

    // Reads headers only. The error is a sentence to show beside the button. Adding twice gives the first's key.
    engine::Result<QString> add(const QString &path);
    void remove(const QString &key); // from the list; the files stay
    void refresh();                  // reads all headers again

    // Folder of the models that come with the program, found from the executable; empty when missing.
    static QString embeddedFolder();

signals:
    void entriesChanged();
    void choiceChanged(const QString &key);

private:
    void inspect(ModelEntry &entry) const;
    [[nodiscard]] QVariantMap choice(const QString &key) const; // empty: none that holds
    void save() const;

    Settings &m_settings;
    QVector<ModelEntry> m_entries;
    QHash<QString, QString> m_hashes; // by path; empty while it is read
    std::atomic<bool> m_stopping = false;
    QThreadPool m_pool;               // last: waits for its tasks before the rest goes
};

} // namespace ui
