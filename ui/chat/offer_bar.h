// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "widgets/card.h"

class QEvent;

namespace ui {

class EngineService;
class ModelLibrary;
class OfferList;
class RoleLabel;

// Why a model could not be loaded as Settings say, and what would work, a button each; hidden where it could be.
class OfferBar final : public Card
{
    Q_OBJECT

public:
    OfferBar(EngineService &engine, ModelLibrary &library, QWidget *parent = nullptr);

    // `shownName` in place of the model's where that is hidden.
    void setModel(const QString &key, const QString &shownName = {});

signals:
    void taken(); // the model's choice is another from now on; nothing is loaded yet

protected:
    void changeEvent(QEvent *event) override;

private:
    void refresh();
    void take(int index);

    EngineService &m_engine;
    ModelLibrary &m_library;
    QString m_key, m_shownName;
    RoleLabel *m_label;
    OfferList *m_offers;
};

} // namespace ui
