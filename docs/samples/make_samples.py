"""Draws `ocean-science.pdf`, the course notes that the demonstration and the grounding bench ask about.

Run it again after changing the text: `python docs/samples/make_samples.py`. The same text gives the same
bytes.
"""

from datetime import UTC, datetime
from pathlib import Path

from fpdf import FPDF

TITLE = "Introduction to Ocean Science"

Section = tuple[str, tuple[str, ...]]

PAGES: tuple[tuple[str, tuple[Section, ...]], ...] = (
    (
        "1 The world ocean",
        (
            (
                "1.1 How much water there is",
                (
                    "The ocean covers about 71 percent of the Earth's surface and holds roughly 97 percent "
                    "of all the water on the planet. Its mean depth is close to 3,700 metres. If the sea "
                    "floor were levelled out, water would stand everywhere more than two and a half "
                    "kilometres deep.",
                    "The Pacific is the largest of the basins: it covers about 165 million square "
                    "kilometres, more than all the land together. The Arctic Ocean is the smallest and the "
                    "shallowest of the five.",
                ),
            ),
            (
                "1.2 The first great expedition",
                (
                    "Modern oceanography begins with the voyage of HMS Challenger. The ship left Portsmouth "
                    "in December 1872 and came home in May 1876 after sailing almost 130,000 kilometres. "
                    "Charles Wyville Thomson led the scientific staff on board.",
                    "The expedition described about 4,700 species that nobody had named before, and its "
                    "fifty volumes of reports are still cited. Temperatures were taken with thermometers "
                    "lowered on hemp rope, and depths were measured with a lead weight.",
                ),
            ),
        ),
    ),
    (
        "2 Seawater",
        (
            (
                "2.1 Salt",
                (
                    "On average one kilogram of seawater contains 35 grams of dissolved salts. Chloride "
                    "alone makes up about 55 percent of them by weight, followed by sodium with about 31 "
                    "percent. The proportions of the main ions are nearly the same everywhere, a rule that "
                    "William Dittmar confirmed from the samples of the Challenger voyage in 1884.",
                    "Evaporation makes the northern Red Sea one of the saltiest parts of the open sea, with "
                    "about 41 grams per kilogram. Rivers keep the surface of the central Baltic Sea near 7 "
                    "grams per kilogram.",
                ),
            ),
            (
                "2.2 Temperature, density and sound",
                (
                    "Because of the salt, seawater of average salinity freezes only at -1.9 degrees Celsius. "
                    "Cold and salty water is dense and sinks; warm and fresh water floats on top. The layer "
                    "in which the temperature falls quickly with depth is called the thermocline.",
                    "Sound travels through seawater at about 1,500 metres per second, more than four times "
                    "as fast as through air. At mid-latitudes its speed is lowest near a depth of 1,000 "
                    "metres, and sound is trapped there in the SOFAR channel, so that whale calls can be "
                    "heard across whole basins.",
                    "Light does not reach far. The sunlit layer in which plants can grow ends at about 200 "
                    "metres, and red light is swallowed within the first ten.",
                ),
            ),
        ),
    ),
    (
        "3 Currents",
        (
            (
                "3.1 Wind and rotation",
                (
                    "On the drift of the Fram, Fridtjof Nansen noticed that sea ice moves 20 to 40 degrees "
                    "to the right of the wind. Vagn Walfrid Ekman explained the observation in 1905: the "
                    "rotation of the Earth deflects each layer of water against the one above it. The net "
                    "transport is at a right angle to the wind, to the right in the northern hemisphere and "
                    "to the left in the southern.",
                    "Where the wind blows along a coast and pushes surface water offshore, cold water rich "
                    "in nutrients rises from below. This upwelling feeds the anchovy fishery off Peru.",
                ),
            ),
            (
                "3.2 The great streams",
                (
                    "Ocean transport is measured in sverdrups; one sverdrup is one million cubic metres per "
                    "second. The Gulf Stream carries about 30 sverdrups through the Straits of Florida. The "
                    "strongest current of all is the Antarctic Circumpolar Current, which moves more than "
                    "130 sverdrups around the globe without meeting a continent.",
                    "In 1948 Henry Stommel showed why streams on the western side of a basin are narrow and "
                    "swift: the effect of the Earth's rotation grows with latitude.",
                ),
            ),
            (
                "3.3 The deep circulation",
                (
                    "Dense water sinks in the Greenland and Labrador Seas and around Antarctica and spreads "
                    "along the bottom. A parcel of water needs about 1,000 years to travel once through this "
                    "overturning.",
                ),
            ),
        ),
    ),
    (
        "4 Waves and tides",
        (
            (
                "4.1 Waves",
                (
                    "A wave moves energy, not water: below the surface each particle travels in a circle. "
                    "The motion dies out at a depth of half the wavelength. A wave breaks when the water "
                    "becomes shallower than about 1.3 times its height.",
                    "A tsunami is so long that even the deep sea is shallow to it. Over a depth of 4,000 "
                    "metres it runs at about 700 kilometres per hour, as fast as an airliner, and is hardly "
                    "half a metre high. The tsunami of 26 December 2004 in the Indian Ocean took about "
                    "230,000 lives.",
                ),
            ),
            (
                "4.2 Tides",
                (
                    "Tides are raised by the Moon and, a little less than half as strongly, by the Sun. Two "
                    "high waters follow each other after 12 hours and 25 minutes, because the Moon moves on "
                    "while the Earth turns. At new and full moon the two forces add up and give spring "
                    "tides; at the quarters they give the weaker neap tides.",
                    "The largest range on Earth occurs in the Bay of Fundy in Canada, where the water rises "
                    "and falls by up to 16 metres. The funnel shape of the bay and its natural period of "
                    "about 13 hours amplify the tide.",
                ),
            ),
        ),
    ),
    (
        "5 The sea floor",
        (
            (
                "5.1 Ridges and maps",
                (
                    "The mid-ocean ridge runs for about 65,000 kilometres through all the basins and is the "
                    "longest mountain chain on Earth. New crust forms at its crest. In 1952 Marie Tharp "
                    "found a rift valley along the middle of the Atlantic ridge, strong evidence that the "
                    "plates move apart. With Bruce Heezen she published the first physiographic map of the "
                    "North Atlantic floor in 1957.",
                    "The floor of the Atlantic widens by about 2.5 centimetres a year. Old crust is "
                    "swallowed in the trenches, so hardly any of the sea floor is older than 180 million "
                    "years.",
                ),
            ),
            (
                "5.2 Trenches and vents",
                (
                    "The deepest known place is the Challenger Deep in the Mariana Trench, about 10,935 "
                    "metres below the surface. Jacques Piccard and Don Walsh reached it on 23 January 1960 "
                    "in the bathyscaphe Trieste.",
                    "Hot springs on the sea floor were discovered in 1977 near the Galapagos Islands by the "
                    "crew of the submersible Alvin. Water leaves the chimneys, called black smokers, at up "
                    "to 400 degrees Celsius. The animals around them live on bacteria that draw their energy "
                    "from hydrogen sulfide instead of sunlight.",
                ),
            ),
        ),
    ),
    (
        "6 Life and climate",
        (
            (
                "6.1 Who feeds whom",
                (
                    "Phytoplankton, most of it too small to see, produces about half of the oxygen that is "
                    "made on Earth each year. It is eaten by zooplankton such as krill. A blue whale, up to "
                    "30 metres long, can swallow about four tonnes of krill a day.",
                    "Reef corals live together with algae that give them food and colour. When the water "
                    "stays about one degree Celsius warmer than the usual summer maximum for several weeks, "
                    "corals expel the algae and turn white; this is called bleaching.",
                ),
            ),
            (
                "6.2 The ocean and the atmosphere",
                (
                    "The ocean has taken up about 90 percent of the extra heat that greenhouse gases have "
                    "trapped, and about a quarter of the carbon dioxide that people release. Dissolved "
                    "carbon dioxide forms carbonic acid: the mean surface pH has fallen from about 8.2 to "
                    "about 8.1 since the beginning of the industrial era.",
                    "El Nino is a warming of the eastern tropical Pacific that returns every two to seven "
                    "years. The trade winds weaken, warm water spreads eastward, and the upwelling off Peru "
                    "stops.",
                ),
            ),
        ),
    ),
    (
        "7 Assessment and dates",
        (
            (
                "7.1 How the grade is made",
                (
                    "The written test counts for 40 percent of the grade, the laboratory reports for 35 "
                    "percent and the group presentation for 25 percent. A report handed in late loses 5 "
                    "percent of its marks for each day. The pass mark is 50 percent.",
                ),
            ),
            (
                "7.2 Dates",
                (
                    "The written test takes place on 18 June in lecture hall C and lasts 90 minutes. The "
                    "field day on the tidal flats is on 12 May; bring rubber boots and a notebook. "
                    "Laboratory sessions are held on Thursdays at 14:00 in room 2.07.",
                    "A pocket calculator and one handwritten sheet of notes are permitted in the test. "
                    "Telephones stay outside.",
                ),
            ),
        ),
    ),
)


def draw(target: Path) -> None:
    pdf = FPDF()
    pdf.set_title(TITLE)
    pdf.set_creation_date(datetime(2026, 1, 1, tzinfo=UTC))
    pdf.set_auto_page_break(True, 20)
    pdf.set_margin(22)
    for number, (chapter, sections) in enumerate(PAGES, 1):
        pdf.add_page()
        pdf.set_font("Helvetica", "I", 9)
        pdf.cell(0, 6, f"{TITLE} - course notes - page {number}", new_x="LMARGIN", new_y="NEXT")
        pdf.ln(4)
        pdf.set_font("Helvetica", "B", 18)
        pdf.cell(0, 12, chapter, new_x="LMARGIN", new_y="NEXT")
        for heading, paragraphs in sections:
            pdf.ln(2)
            pdf.set_font("Helvetica", "B", 13)
            pdf.cell(0, 9, heading, new_x="LMARGIN", new_y="NEXT")
            pdf.set_font("Helvetica", "", 11)
            for paragraph in paragraphs:
                pdf.multi_cell(0, 5.6, paragraph, align="L", new_x="LMARGIN", new_y="NEXT")
                pdf.ln(2)
    pdf.output(str(target))


if __name__ == "__main__":
    draw(Path(__file__).with_name("ocean-science.pdf"))
