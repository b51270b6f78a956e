import re

from matplotlib.figure import Figure

from ebpf_lab.views import chart


def drawn(xs, ys):
    figure = Figure()
    axes = figure.subplots()
    axes.set(xlabel="seconds", ylabel="processes <ended>")
    axes.plot(xs, ys, label="true")
    return figure


def test_the_alt_text_gives_each_line_s_name_and_figures():
    text = chart.alt(drawn([0, 0.1, 0.2], [0, 310, 12.5]))
    assert text == "Line chart: processes <ended> by seconds. true: 0 at 0, 310 at 0.1, 12.5 at 0.2."


def test_a_long_line_is_thinned_out():
    assert len(re.findall(" at ", chart.alt(drawn(range(1000), range(1000))))) <= chart.POINTS


def test_the_html_is_the_picture_with_its_alt_text():
    html = chart.with_alt(drawn([1], [2]))
    assert html.startswith('<img alt="Line chart: processes &lt;ended&gt; by seconds. true: 2 at 1."')
    assert 'src="data:image/png;base64,' in html
