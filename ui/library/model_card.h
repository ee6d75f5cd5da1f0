// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "services/engine_service.h"
#include "services/model_library.h"
#include "widgets/card.h"

#include <optional>
#include <vector>

class QProgressBar;
class QPushButton;

namespace ui {

class OfferList;
class RoleLabel;

// One model of the list: what it is, what it takes, whether it is loaded.
class ModelCard final : public Card
{
    Q_OBJECT

public:
    ModelCard(const ModelEntry &entry, QWidget *parent = nullptr);

    [[nodiscard]] QString key() const { return m_entry.key; }
    // `loaded` when it is: the engine's own figures take the place of the estimate.
    void setState(EngineService::LoadState state, double share, const QString &error,
        const std::optional<engine::LoadedModel> &loaded);
    // Ways to load it that work, after one that did not.
    void setOffers(const std::vector<engine::LoadOffer> &offers);
    // How it is loaded where that is not what the settings say; empty: as they say.
    void setChoice(const QString &choice);
    void setDetailsShown(bool shown);
    // The same fact of every card gets the same width, so that the cards read as a table.
    static void alignFacts(const QVector<ModelCard *> &cards);

signals:
    void loadRequested(const QString &key);
    void unloadRequested(const QString &key);
    void removeRequested(const QString &key);
    void offerChosen(const QString &key, int index);
    void forgetChoiceRequested(const QString &key);

private:
    RoleLabel *addFact(QLayout *facts, const QString &name, const QString &value, const QString &tip = {});
    [[nodiscard]] QWidget *makeDetails();

    ModelEntry m_entry;
    EngineService::LoadState m_state = EngineService::LoadState::NotLoaded;
    RoleLabel *m_stateLabel;
    RoleLabel *m_memoryLabel = nullptr;
    RoleLabel *m_problem;
    OfferList *m_offers;
    QWidget *m_choice;
    RoleLabel *m_choiceLabel;
    QProgressBar *m_progress;
    QPushButton *m_loadButton;
    QPushButton *m_detailsButton;
    QWidget *m_details = nullptr;
    QVector<QWidget *> m_facts;
};

} // namespace ui
